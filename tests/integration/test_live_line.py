"""The line that dials, over a simulated modem on a pty and a simulated network with a dispatcher in it.

The number is that of the network in this process; nothing here reaches another.
"""

from __future__ import annotations

from pathlib import Path

from gateway.cases.effects import Purpose
from gateway.clock import SystemClock
from gateway.outbox.channel import Limits, Result
from gateway.outbox.channels.live_line import LiveLine, Permit, permit
from gateway.registry.line import EmergencyLine
from tests.support.telephony import House, telephony
from tests.unit.test_live_permit import AGREEMENT, ATTEMPT, CARD, send


def allowed() -> Permit:
    agreement = {**AGREEMENT, "agreed_on": "2020-01-01", "valid_until": "2099-12-31"}
    live = EmergencyLine.model_validate({"mode": "live", "live": agreement})
    return permit(live, box_allows=True, timezone="Asia/Shanghai")


def dialler(house: House) -> LiveLine:
    return LiveLine(allowed(), [house.pool], SystemClock(), limits=Limits(timeout_s=60, parallel=1, unclear_max=3))


async def test_a_dispatcher_hears_the_address_three_times_and_the_line_stays_open(tmp_path: Path) -> None:
    async with telephony(tmp_path, "sim7600") as house:
        await house.ready()
        centre = house.network.phone("120 centre", "120")
        centre.expect_voice("五零幺室").hang_up(at=90)
        report = await dialler(house).send(send(), ATTEMPT)
        assert report.result is Result.DELIVERED, report
        assert centre.calls[0].count("五零幺室") == 3
        assert "紧急呼救" in centre.calls[0]


async def test_a_busy_centre_is_tried_again_and_a_mistake_is_told_by_a_call(tmp_path: Path) -> None:
    async with telephony(tmp_path, "ec20") as house:
        await house.ready()
        centre = house.network.phone("120 centre", "120")
        centre.expect_voice().busy()
        assert (await dialler(house).send(send(), ATTEMPT)).result is Result.RETRY
        centre.expect_voice("取消").hang_up(at=60)
        told = send(Purpose.EMERGENCY_CANCEL, {"card": CARD, "reason": "误按", "case": "2026-000001"})
        assert (await dialler(house).send(told, ATTEMPT)).result is Result.DELIVERED
        assert "误按" in centre.calls[0]


async def test_a_drill_reaches_no_telephone(tmp_path: Path) -> None:
    async with telephony(tmp_path, "sim7600") as house:
        await house.ready()
        house.network.phone("120 centre", "120")  # expects nothing: a call would fail this test
        report = await dialler(house).send(send(data={**CARD, "complaint": "【演练】紧急呼救"}), ATTEMPT)
        assert report.result is Result.REFUSED
