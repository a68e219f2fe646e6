"""From a row of a file to an observation: what its device, kind, event and values must be. Shared by all files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from gateway.backtest.sources.history import Findings, HistoryError
from gateway.registry.problem import did_you_mean, one_of

FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000
"""2000 to 2100: a number beyond is in another unit."""

KindOf = Callable[[str], "str | None"]
"""The kind of a registered device."""


class Wrong(Exception):
    """A row cannot be used: which column, what stands there, what was expected."""

    def __init__(self, column: str, found: object, expected: str) -> None:
        super().__init__(column, str(found), expected)
        self.column = column
        self.found = str(found)
        self.expected = expected


class RowReader:
    """Makes observations. Ids are given in the order in which they are made, as the engine goes by them."""

    def __init__(self, kind_of: KindOf) -> None:
        self._kind_of = kind_of
        self._made = 0

    def kind(self, device: str, written: str) -> str:
        """The kind of a device, by the row's own word or by the registry. Raises Wrong."""
        if not device:
            raise Wrong("device", "", "the id of a device")
        known = self._kind_of(device)
        if written and written not in KINDS:
            raise Wrong("kind", written, f"one of {one_of(KINDS)}{did_you_mean(written, KINDS)}")
        if written and known and written != known:
            raise Wrong("kind", written, f"{known}, as the registry has {device}")
        if not written and not known:
            raise Wrong("device", device, "a registered device, or its kind in the column kind")
        return written or known or ""

    def observation(
        self, device: str, kind: str, at_ms: int, event: str | None, metrics: Mapping[str, float], received_ms: int
    ) -> Observation:
        """Raises Wrong."""
        catalogue = KINDS[kind]
        if event is not None and event not in catalogue.events:
            known = catalogue.events
            raise Wrong("event", event, f"an event of {kind}: {one_of(known)}{did_you_mean(event, known)}")
        for name, value in metrics.items():
            metric = catalogue.metrics.get(name)
            if metric is None:
                known_metrics = catalogue.metrics
                hint = did_you_mean(name, known_metrics)
                raise Wrong(name, f"{value:g}", f"nothing: {kind} has {one_of(known_metrics)}{hint}")
            if not metric.low <= value <= metric.high:  # also where it is no number
                raise Wrong(name, f"{value:g}", f"{metric.low:g} to {metric.high:g} {metric.unit}".rstrip())
        if event is None and not metrics:
            raise Wrong("", "", "an event, or a value of at least one metric")
        self._made += 1
        return Observation(
            message_id=f"{device}:history:{self._made}",
            device=device,
            kind=kind,
            lane=Lane.ROUTINE if event is None else Lane.URGENT,
            observed_at_ms=at_ms,
            received_at_ms=received_ms,
            event=event,
            metrics=dict(metrics),
        )


def number(column: str, text: str) -> float:
    """Raises Wrong."""
    try:
        value = float(text)
    except ValueError:
        raise Wrong(column, text, "a number such as 36.6") from None
    if not math.isfinite(value):
        raise Wrong(column, text, "a finite number")
    return value


def plausible(column: str, found: object, at_ms: int, unit: str) -> int:
    """Raises Wrong for an instant that is none of a community's."""
    if not FIRST_MS <= at_ms <= LAST_MS:
        raise Wrong(column, found, f"an instant between 2000 and 2100 ({unit})")
    return at_ms


class Reading:
    """A file that is read line by line, and how far."""

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path = path
        self.share = 0.0
        self._findings = findings

    @contextmanager
    def lines(self) -> Iterator[Iterator[str]]:
        """The lines, with what ends them; a byte order mark is passed over. Raises HistoryError."""
        try:
            with self.path.open("rb") as file:
                yield self._decoded(file, max(1, self.path.stat().st_size))
        except OSError as error:
            raise HistoryError(
                "文件读不出", f"{self.path}: cannot be read: {error.strerror or error}; check the path"
            ) from error

    def _decoded(self, file: IO[bytes], size: int) -> Iterator[str]:
        done = 0
        for number_, line in enumerate(file, 1):
            done += len(line)
            if not number_ % 1000:
                self.share = done / size
                self._findings.step()
            try:
                yield line.decode("utf-8-sig" if number_ == 1 else "utf-8")
            except UnicodeDecodeError:
                raise HistoryError(
                    "文件不是 UTF-8 编码",
                    f"{self.path}: line {number_}: expected UTF-8 text, found other bytes; save the file as UTF-8",
                ) from None
        self.share = 1.0
