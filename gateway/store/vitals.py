"""The newest vital signs of a person, for the card that goes to the 120 centre."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from devices.kinds import KINDS
from gateway.store.protocol import Store, StoreUnavailable

log = logging.getLogger(__name__)

MONITOR = "vitals_monitor"
SIGNS = ("pulse", "spo2", "respiration", "systolic", "diastolic", "glucose", "temperature")
WITHIN_S = 2.0
"""An emergency call does not wait for telemetry."""


async def latest_vitals(store: Store, monitors: Iterable[str]) -> list[dict[str, object]]:
    """``{metric, value, unit, at_ms}`` of each sign, the newest over ``monitors``; empty where nothing can be read in
    time. Metrics and units are those of the kind ``vitals_monitor``."""
    known = KINDS[MONITOR].metrics
    newest: dict[str, tuple[int, float]] = {}
    try:
        async with asyncio.timeout(WITHIN_S):
            for monitor in monitors:
                for metric, reading in (await store.latest(monitor)).items():
                    if metric in SIGNS and reading.at_ms >= newest.get(metric, (0, 0.0))[0]:
                        newest[metric] = (reading.at_ms, reading.value)
    except (StoreUnavailable, TimeoutError) as error:
        log.warning("the emergency card goes without vitals: %s", error or "the store did not answer in time")
    return [
        {"metric": known[sign].zh, "value": newest[sign][1], "unit": known[sign].unit, "at_ms": newest[sign][0]}
        for sign in SIGNS
        if sign in newest
    ]
