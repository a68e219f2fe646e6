"""What a gateway sees of itself, and when it is really well: over a real journal, decider, store and outbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devices.kinds import KINDS
from devices.native import check_metric
from devices.observation import Lane
from gateway.itself.figures import Figures
from gateway.itself.wellness import Wellness
from gateway.outbox.channels.emergency_line import DrillLine
from gateway.settings import Secrets
from gateway.store.protocol import StoreUnavailable
from tests.support.eventually import eventually_async
from tests.support.house import House, open_house
from tests.support.outside import OutsideWorld


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


def figures_of(house: House) -> Figures:
    return Figures(house.organs, house.checkup, house.clock)


async def test_every_figure_is_one_of_the_kind_and_plausible(house: House) -> None:
    await house.say("sos-1", "press")
    await house.decided()
    seen = figures_of(house).look()
    kind = KINDS["gateway"]
    for key, value in seen.metrics.items():
        check_metric(kind, key, value)
    assert seen.states.keys() <= kind.states.keys()
    measured = {"load", "memory_free", "disk_free", "journal_backlog", "journal_oldest", "store_lag", "quarantine"}
    assert measured | {"outbox_overdue", "outbox_oldest", "rules_failed"} <= seen.metrics.keys()
    assert "clock_offset" not in seen.metrics, "without a time server nobody knows"
    assert {key for key, ill in seen.states.items() if ill.holds} == {"broker_down", "faulty"}, "as this house is"
    assert "serial-bus" in seen.states["faulty"].why


async def test_a_message_that_waits_for_its_decision_is_seen_and_said(house: House) -> None:
    await asyncio.to_thread(house.decider.stop)
    await house.say("vitals-1", spo2=97, pulse=70)
    house.clock.at += 100_000
    figures = figures_of(house)
    seen = figures.look()
    assert (seen.metrics["journal_backlog"], seen.metrics["journal_oldest"]) == (1, 100)
    assert not seen.states["behind"].holds
    house.clock.at += 100_000
    assert figures.look().states["behind"].holds
    assert (figures.undecided_s(Lane.ROUTINE), figures.undecided_s(Lane.URGENT)) == (200, 0)


async def test_a_store_that_is_away_is_seen_with_its_lag(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("connection refused", hint="start it")

    monkeypatch.setattr(house.store, "write", away)
    assert "store_down" not in figures_of(house).look().states, "not known before it was tried"
    await house.say("vitals-1", spo2=97)
    writing = asyncio.create_task(house.writer.run())
    await eventually_async(lambda: house.writer.health().state == "unavailable")
    house.clock.at += 90_000
    seen = figures_of(house).look()
    assert seen.states["store_down"].holds and "connection refused" in seen.states["store_down"].why
    assert seen.metrics["store_lag"] == 90
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing


async def test_what_cannot_be_read_is_left_out_and_the_rest_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(house.journal, "stats", broken)
    figures = figures_of(house)
    seen = figures.look()
    assert "journal_backlog" not in seen.metrics and "load" in seen.metrics
    said = caplog.text.count("cannot be read")
    figures.look()
    assert said == 1 == caplog.text.count("cannot be read"), "said once"


# --- really well


async def well(house: House) -> tuple[Wellness, set[str]]:
    """Wellness after proofs, and what is ill; this house has no broker, which is left out."""
    wellness = Wellness(house.organs, house.checkup, figures_of(house).undecided_s, house.clock)
    wellness.prove()
    await eventually_async(lambda: all(house.journal.written_s(lane) < 10 for lane in Lane), 10, "proofs")
    return wellness, ill(wellness)


def ill(wellness: Wellness) -> set[str]:
    return {reason.part for reason in wellness.reasons() if not reason.part.startswith("mqtt-")}


async def test_a_sound_house_is_well(house: House) -> None:
    assert (await well(house))[1] == set()


async def test_a_journal_that_has_not_just_written_is_not_well(house: House) -> None:
    wellness = Wellness(house.organs, house.checkup, figures_of(house).undecided_s, house.clock)
    assert ill(wellness) == {"journal"}, "nothing was proved yet"


async def test_a_decider_that_lets_a_press_wait_is_not_well(house: House) -> None:
    wellness, _ = await well(house)
    await asyncio.to_thread(house.decider.stop)
    await house.say("sos-1", "press")
    house.clock.at += 59_000
    assert ill(wellness) == set()
    house.clock.at += 2_000
    assert ill(wellness) == {"decider"}


async def test_an_auditor_that_does_not_look_or_has_just_found_something_is_not_content(house: House) -> None:
    wellness, _ = await well(house)
    await asyncio.to_thread(house.decider.stop)
    house.decider.health.audited = time.monotonic() - 100
    assert ill(wellness) == {"auditor"}
    house.decider.health.audited = time.monotonic()
    house.decider.health.repaired, house.decider.health.repaired_ms = 1, house.clock.at
    assert ill(wellness) == {"auditor"}
    house.clock.at += 15 * 60_000
    assert ill(wellness) == set()


async def test_a_part_that_is_needed_and_has_failed_is_not_well(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    wellness, _ = await well(house)
    monkeypatch.setattr(type(house.decider), "stalled_s", 31.0)
    assert ill(wellness) == {"decider"}
    assert "serial-bus" in wellness.degraded(), "a line that is down does not keep it from its work"


# --- the 120 line


async def test_the_line_is_asked_without_calling_anybody(tmp_path: Path) -> None:
    with OutsideWorld() as world:
        url = f"http://127.0.0.1:{world.port}"
        line = DrillLine(url, None, Secrets(tmp_path))
        assert await line.trouble() == ""
        assert world.calls == [] and world.call_attempts == [], "nobody was called, and nobody tried"
        missing = DrillLine(url, "CENTRE_TOKEN", Secrets(tmp_path))
        assert "CENTRE_TOKEN is missing" in await missing.trouble()
        (tmp_path / "CENTRE_TOKEN").write_text("t")
        assert await missing.trouble() == ""
        wrong = DrillLine(f"{url}/inbox/x", None, Secrets(tmp_path))
        assert await wrong.trouble() in ("", "HTTP 405"), "another server is not always told from a centre"
        await line.close()
    assert "cannot connect" in await DrillLine(url, None, Secrets(tmp_path)).trouble()
