"""The store that the settings name, as it is read out, written into and erased."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gateway.settings import Settings
from gateway.store.transfer.embedded_source import EmbeddedSource
from gateway.store.transfer.source import Source


def embedded_file(settings: Settings) -> Path | None:
    """The embedded store's file; None for a store by URL."""
    return settings.data_dir / "telemetry.db" if settings.store.kind == "embedded" else None


def token_of(settings: Settings) -> str:
    """What the store by URL asks for. Raises KeyError that says where it was looked for, ValueError without a URL."""
    if not settings.store.url:
        raise ValueError("store.url: missing; expected the server's address, such as http://127.0.0.1:8086")
    return settings.secrets.get(settings.store.token_secret) if settings.store.token_secret else ""


def open_source(settings: Settings, kinds: Mapping[str, str]) -> Source:
    """The store to be read out. Raises StoreUnavailable, ValueError, KeyError."""
    path = embedded_file(settings)
    if path is not None:
        return EmbeddedSource(path, kinds)
    # Imported only where it is used: the client takes half a second to load.
    from gateway.store.transfer.influx_source import InfluxSource

    return InfluxSource(settings.store, token_of(settings))
