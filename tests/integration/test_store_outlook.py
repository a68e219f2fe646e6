"""Batteries and radio links over months in the telemetry store, as a technician asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.embedded import EmbeddedStore
from gateway.store.outlook import Outlook, by_urgency, look
from tests.support.stores import START_MS, VirtualClock, observe

DAY = 86_400_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EmbeddedStore]:
    found = EmbeddedStore(tmp_path / "telemetry.db", VirtualClock(START_MS))
    yield found
    await found.close()


async def tell(store: EmbeddedStore, device: str, **series: list[float]) -> None:
    """One value for each day, the last of them today's."""
    for metric, values in series.items():
        start_ms = START_MS - (len(values) - 1) * DAY
        batch = [
            observe(start_ms + n * DAY, {metric: value}, device=device, kind="contact")
            for n, value in enumerate(values)
        ]
        assert await store.write(batch) == []


async def test_batteries_by_charge_and_by_voltage(store: EmbeddedStore) -> None:
    await tell(store, "percent", battery=[90 - n / 2 for n in range(60)], rssi=[-60.0] * 50 + [-75.0] * 10)
    await tell(store, "volts", battery_voltage=[3.0 - n * 0.005 for n in range(60)], link_quality=[40.0] * 30)
    await tell(store, "empty", battery=[8.0] * 3)
    await tell(store, "mains", power=[60.0] * 3)
    seen = [await look(store, device, START_MS) for device in ("mains", "percent", "volts", "empty")]
    assert [one.device for one in by_urgency(seen)] == ["empty", "volts", "percent"]
    mains, percent, volts, empty = seen
    assert (mains.metric, mains.link, mains.signal) == ("", "", None)
    assert (percent.metric, percent.battery.verdict, percent.link) == ("battery", "falling", "rssi")
    assert percent.battery.at_ms == pytest.approx(START_MS + 91 * DAY, abs=3 * DAY)
    assert percent.signal is not None
    assert percent.signal.change == -15.0
    assert (volts.metric, volts.empty, volts.link) == ("battery_voltage", 2.5, "link_quality")
    assert volts.battery.at_ms == pytest.approx(START_MS + 41 * DAY, abs=3 * DAY)
    assert empty.battery.verdict == "empty"


async def test_the_battery_of_the_hardware_before_does_not_count(store: EmbeddedStore) -> None:
    await tell(store, "one", battery=[60 - n for n in range(40)])
    whole: Outlook = await look(store, "one", START_MS)
    assert whole.battery.verdict == "falling"
    since = await look(store, "one", START_MS, since_ms=START_MS - 5 * DAY)
    assert (since.battery.verdict, since.battery.days) == ("too_little", 6)
