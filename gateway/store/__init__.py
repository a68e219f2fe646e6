"""Telemetry: the embedded default and InfluxDB behind one protocol, fed from the journal. See docs/telemetry.md."""

from __future__ import annotations

from gateway.clock import Clock
from gateway.settings import Settings
from gateway.store.protocol import BadPoint, Bucket, Point, Reading, RefusedPoint, Store, StoreUnavailable

__all__ = ["BadPoint", "Bucket", "Point", "Reading", "RefusedPoint", "Store", "StoreUnavailable", "open_store"]


def open_store(settings: Settings, clock: Clock) -> Store:
    """The store that ``settings.store`` names.

    Raises ValueError (no URL), KeyError (no token: says where it was looked for), StoreUnavailable (the embedded file
    cannot be opened). An InfluxDB that is away is no error here: the journal keeps the points until it is back.
    """
    if settings.store.kind == "embedded":
        from gateway.store.embedded import EmbeddedStore

        return EmbeddedStore(settings.data_dir / "telemetry.db", clock)
    # Imported only where it is used: the client takes half a second to load.
    from gateway.store.influx import InfluxStore

    if not settings.store.url:
        raise ValueError("store.url: missing; expected the server's address, such as http://127.0.0.1:8086")
    token = settings.secrets.get(settings.store.token_secret) if settings.store.token_secret else ""
    return InfluxStore(settings.store, token, clock)
