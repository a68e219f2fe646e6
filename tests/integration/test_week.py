"""A week of a community in seconds: people who sleep, networks that break, and what must hold all the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cases.effects import LINE_CHANNEL, Purpose, Send
from gateway.cases.model import Stage
from gateway.state import tables as t
from gateway.state.db import reading
from tests.support.week import Week

CALLED_FOR = ("opened", "alarm_joined", "alarm_repeated")


@pytest.mark.timeout(300)
def test_a_week(tmp_path: Path) -> None:
    week = Week(tmp_path, seed=1)
    week.live(days=7)
    room = week.room
    cases = {case.id: case for case in room.cases()}
    lines = {id_: room.timeline(case) for id_, case in cases.items()}
    print(week.happened, Counter(case.stage.value for case in cases.values()))  # noqa: T201 - says most

    # Nothing is lost: each press, call and fire is in a case.
    heard = sum(what in CALLED_FOR for timeline in lines.values() for what in timeline)
    assert len(cases) > 25
    assert heard >= week.happened["sos press"] + week.happened["service plumbing"] + week.happened["smoke smoke"]

    # Nobody is told twice for one thing: a person has one message of a rung, whatever happened meanwhile.
    rungs: Counter[tuple[str, str, str]] = Counter()
    calls: Counter[str] = Counter()
    with reading(room.engine) as connection:
        for row in connection.execute(sa.select(t.outbox.c.case_id, t.outbox.c.key, t.outbox.c.body)).all():
            send = Send.model_validate_json(row.body)
            if send.channel == LINE_CHANNEL and send.purpose is Purpose.EMERGENCY_CALL:
                calls[row.case_id] += 1
            elif send.purpose is Purpose.ALARM and send.rung and send.person:
                occasion = row.key.rsplit(":", 3)[0]
                if row.key.rsplit(":", 2)[1] == "0":
                    rungs[row.case_id, occasion, send.person] += 1
    assert [key for key, count in rungs.items() if count > 1] == []

    # 120 is called for who has nobody, and not for who has.
    for id_, count in calls.items():
        again = lines[id_].count("line_rearmed") + lines[id_].count("line_vetoed") + lines[id_].count("line_failed")
        assert count <= 1 + again + lines[id_].count("alarm_repeated"), id_
        assert "line_committed" in lines[id_]
    assert 0 < len(calls) < len(cases)

    # A ladder for life safety never falls silent: what is open and nobody's has its timer.
    timers = room.timers()
    for case in cases.values():
        if case.ladder.life_safety and case.stage is Stage.OPENED:
            assert (case.id, "ladder") in timers, case.number
    assert {Stage.CLOSED, Stage.CANCELLED} & {case.stage for case in cases.values()}
    assert room.decider.health.repaired == 0, "the auditor had nothing to mend"
    assert room.decider.health.undecidable == 0
    room.engine.dispose()
