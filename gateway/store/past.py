"""All that a telemetry store holds of a stretch of time, for back-tests: every device at once, and not one by one.

Blocking, and read-only beside a running gateway. What a store keeps is less than what devices said (docs/telemetry.md).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway.settings import Settings
from gateway.store.protocol import StoreUnavailable
from gateway.store.telemetry_file import HOUR, MINUTE, SCHEMA_VERSION, unavailable


class Said(NamedTuple):
    """What one device said at one instant: values, or one event."""

    at_ms: int
    device: str
    event: str | None
    metrics: Mapping[str, float]


class Past(Protocol):
    """The stored past. Every method raises StoreUnavailable."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def coarse_before_ms(self) -> int:
        """Before this instant there is one value a minute (or an hour), the last one; 0 where all values are kept."""
        ...

    def begins_ms(self) -> int | None:
        """The oldest instant there is; None for an empty store."""
        ...

    def between(self, start_ms: int, end_ms: int) -> list[Said]:
        """All of ``start_ms <= t < end_ms`` in the order of time, events before values."""
        ...

    def close(self) -> None:
        """To be called once, at the end."""
        ...


def open_past(settings: Settings, kinds: Collection[str]) -> Past:
    """The past in the store that ``settings.store`` names, of devices of ``kinds``.

    Raises StoreUnavailable, ValueError (no URL), KeyError (no token).
    """
    if settings.store.kind == "embedded":
        return EmbeddedPast(settings.data_dir / "telemetry.db")
    if not settings.store.url:
        raise ValueError("store.url: missing; expected the server's address, such as http://127.0.0.1:8086")
    # Imported only where it is used: the client takes half a second to load.
    from gateway.store.past_influx import InfluxPast

    token = settings.secrets.get(settings.store.token_secret) if settings.store.token_secret else ""
    return InfluxPast(settings.store, token, kinds)


class EmbeddedPast:
    """The embedded store's file. Of all kinds: the file does not know them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            raise StoreUnavailable(f"{path} does not exist", hint="no gateway has run with this data directory")
        try:
            self._run = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            self._run.execute("PRAGMA busy_timeout=10000")
            version = self._run.execute("PRAGMA user_version").fetchone()[0]
            if not 1 <= version <= SCHEMA_VERSION:  # an older one holds the same readings
                raise StoreUnavailable(f"{path}: written by another version of Anju (schema {version})")
            self._complete_from = dict(self._run.execute("SELECT name, at_ms FROM complete_from").fetchall())
        except sqlite3.Error as error:
            raise unavailable(path, error) from error

    @property
    def name(self) -> str:
        return f"embedded {self._path}"

    def coarse_before_ms(self) -> int:
        return int(self._complete_from["raw"])

    def begins_ms(self) -> int | None:
        try:
            found = [
                self._run.execute(f"SELECT min(at_ms) FROM {table}").fetchone()[0]
                for table in ("hour", "minute", "raw", "event")
            ]
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error
        return min((int(at_ms) for at_ms in found if at_ms is not None), default=None)

    def between(self, start_ms: int, end_ms: int) -> list[Said]:
        raw_ms, minute_ms = self._complete_from["raw"], self._complete_from["minute"]
        values: dict[tuple[int, str], dict[str, float]] = {}
        try:
            self._take(values, "hour", start_ms, min(end_ms, minute_ms), HOUR)
            self._take(values, "minute", max(start_ms, minute_ms), min(end_ms, raw_ms), MINUTE)
            self._take(values, "raw", max(start_ms, raw_ms), end_ms, 1)
            self._take_late(values, start_ms, min(end_ms, raw_ms))
            events = self._run.execute(
                "SELECT at_ms, device, event FROM event WHERE at_ms >= ? AND at_ms < ? ORDER BY at_ms, device, event",
                (start_ms, end_ms),
            ).fetchall()
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error
        return ordered(values, events)

    def _take(
        self, values: dict[tuple[int, str], dict[str, float]], table: str, start_ms: int, end_ms: int, width: int
    ) -> None:
        """The values of one table, at the end of their minute or hour."""
        if start_ms >= end_ms:
            return
        column = "value" if width == 1 else "last"
        rows = self._run.execute(  # CROSS JOIN: series first, so that each is one look into the table's key
            f"SELECT s.device, s.metric, r.at_ms, r.{column} FROM series AS s CROSS JOIN {table} AS r"
            " ON r.series = s.id AND r.at_ms > ? AND r.at_ms < ?",
            (start_ms - width, end_ms - width + 1),
        )
        for device, metric, at_ms, value in rows:
            values.setdefault((at_ms + width - 1, device), {})[metric] = value

    def _take_late(self, values: dict[tuple[int, str], dict[str, float]], start_ms: int, end_ms: int) -> None:
        """Old readings that came late, and wait as they are for their minute to be computed."""
        rows = self._run.execute(
            "SELECT s.device, s.metric, r.at_ms, r.value FROM dirty AS d CROSS JOIN raw AS r"
            " ON r.series = d.series AND r.at_ms >= max(d.at_ms, ?) AND r.at_ms < min(d.at_ms + ?, ?)"
            " CROSS JOIN series AS s ON s.id = d.series WHERE d.width_ms = ? AND d.at_ms > ? AND d.at_ms < ?",
            (start_ms, MINUTE, end_ms, MINUTE, start_ms - MINUTE, end_ms),
        )
        for device, metric, at_ms, value in rows:
            values.setdefault((at_ms, device), {})[metric] = value

    def close(self) -> None:
        self._run.close()


def ordered(values: dict[tuple[int, str], dict[str, float]], events: list[tuple[int, str, str]]) -> list[Said]:
    """Values and events in the order of time."""
    found = [Said(at_ms, device, event, {}) for at_ms, device, event in events]
    found += [Said(at_ms, device, None, metrics) for (at_ms, device), metrics in values.items()]
    found.sort(key=lambda said: (said.at_ms, said.event is None, said.device))
    return found
