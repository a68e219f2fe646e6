"""A site whose line dials: the machine needs the agreement and the word ``automatic``, a person only the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cases.effects import LINE_CHANNEL, Purpose
from gateway.cases.wording import DRILL_MARK
from tests.support.deciding import DecidingRoom, deciding
from tests.unit.test_live_permit import AGREEMENT


def live(room: DecidingRoom, **changes: Any) -> None:
    room.document["emergency_line"] = {"mode": "live", "live": AGREEMENT | {"valid_until": "2030-12-31"} | changes}
    room.apply(room.document)


def calls(room: DecidingRoom) -> list[Purpose]:
    return [send.purpose for send in room.sent() if send.channel == LINE_CHANNEL]


def test_the_machine_calls_once_and_nothing_of_it_bears_the_mark_of_a_drill(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        live(room, automatic=True)
        room.press()
        room.run(400)
        assert calls(room) == [Purpose.EMERGENCY_CALL]
        said = [send for send in room.sent() if send.person is not None]
        assert not any(DRILL_MARK in send.title + send.body for send in said)
        assert not any(send.purpose is Purpose.LINE_IS_DRILL for send in said)


@pytest.mark.parametrize(
    "changes", [{"automatic": False}, {"automatic": True, "valid_until": "2026-01-02"}], ids=["not automatic", "over"]
)
def test_without_the_word_or_the_agreement_people_are_told_to_dial(tmp_path: Path, changes: dict[str, Any]) -> None:
    with deciding(tmp_path) as room:
        live(room, **changes)
        room.press()
        room.run(400)
        assert calls(room) == []
        assert any(send.purpose is Purpose.LINE_FAILED for send in room.sent())


def test_a_person_may_dial_where_the_machine_may_not(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        live(room)
        room.press()
        room.cycle()
        room.act(room.cases()[0], "dial_now", "no answer at the door")
        assert calls(room) == [Purpose.EMERGENCY_CALL]
