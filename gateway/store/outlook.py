"""How long a device's battery will last and how well it is heard, out of the telemetry store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.store.forecast import (
    DAY_MS,
    EMPTY_PERCENT,
    JUMP_PERCENT,
    RECENT_DAYS,
    Day,
    Forecast,
    Signal,
    cell_of,
    daily,
    forecast,
    signal,
)
from gateway.store.protocol import Store

BACK_DAYS = 120
"""Far enough for the slow fall of a lithium cell."""
_WIDTH_S = 6 * 3600
"""Four means a day, of which the median is taken: one bad reading spoils one of them."""
LINKS = ("rssi", "link_quality")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is to be expected of one device."""

    device: str
    metric: str
    """``battery`` (%) or ``battery_voltage`` (V); empty for a device that reports neither."""
    battery: Forecast
    empty: float
    """The level at which it counts as empty, in the unit of ``metric``."""
    link: str
    """``rssi`` (dBm) or ``link_quality`` (%); empty for a device that reports neither."""
    signal: Signal | None


async def look(store: Store, device: str, now_ms: int, since_ms: int = 0) -> Outlook:
    """The outlook of one device. ``since_ms``: when its hardware was put there. Raises StoreUnavailable."""
    start_ms = max(since_ms, now_ms - BACK_DAYS * DAY_MS)
    metric, empty, jump = "battery", EMPTY_PERCENT, JUMP_PERCENT
    levels = await _days(store, device, metric, start_ms, now_ms)
    if not levels:
        metric = "battery_voltage"
        levels = await _days(store, device, metric, start_ms, now_ms)
        if levels:
            _, empty, jump = cell_of(levels)
    for link in LINKS:
        heard = signal(await _days(store, device, link, max(start_ms, now_ms - (RECENT_DAYS + 1) * DAY_MS), now_ms))
        if heard is not None:
            break
    return Outlook(
        device=device,
        metric=metric if levels else "",
        battery=forecast(levels, empty=empty, jump=jump),
        empty=empty,
        link=link if heard is not None else "",
        signal=heard,
    )


async def _days(store: Store, device: str, metric: str, start_ms: int, now_ms: int) -> list[Day]:
    found = await store.buckets(device, metric, start_ms, now_ms + 1, _WIDTH_S)
    return daily((bucket.start_ms, bucket.mean) for bucket in found)


def by_urgency(outlooks: Iterable[Outlook]) -> list[Outlook]:
    """The empty ones first, then by date, then what has none; devices without a battery are left out."""
    order = {"empty": 0, "falling": 1, "too_little": 2, "stable": 3, "charged": 4}
    return sorted(
        (one for one in outlooks if one.metric),
        key=lambda one: (order[one.battery.verdict], one.battery.at_ms or 0, one.battery.level or 0.0, one.device),
    )
