"""Everything that is said of a drill bears its mark, in every language, for every purpose; the report says why."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cases import messages, wording_spoken
from gateway.cases.drill_report import CaseReport, Sent, Step, judge
from gateway.cases.effects import Purpose
from gateway.registry.drills import SelfTest, When
from tests.support.town import CLOCK, Story, Town

DRILLED = Story(None, CLOCK, None).case.model_copy(update={"drill": True})


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("purpose", sorted(messages._TITLES))
def test_every_word_is_marked(purpose: Purpose, language: str) -> None:
    for discreet in (False, True):
        title, body = messages.message(DRILLED, purpose, Town(), language=language, discreet=discreet)
        assert title.startswith("【演练"), title
        assert "这是演练" in body and "This is a drill" in body
        real, said = messages.message(
            DRILLED.model_copy(update={"drill": False}), purpose, Town(), language=language, discreet=discreet
        )
        assert not real.startswith("【演练") and "这是演练" not in said
        spoken = wording_spoken.spoken(title, "3号楼", language="en" if language == "en" else "zh")
        assert "演练" in spoken.text[:8]
    assert messages.complaint(DRILLED).startswith("【演练】")


def test_no_word_of_a_drill_has_people_dial() -> None:
    for purpose in messages._TITLES:
        if purpose is not Purpose.LINE_IS_DRILL:  # never said of a drill
            title, _ = messages.message(DRILLED, purpose, Town(), language="zh")
            assert "人工拨打" not in title


statuses = st.sampled_from(["delivered", "failed", "withdrawn"])
sendings = st.builds(
    Sent,
    person=st.sampled_from(["a", "b"]),
    channel=st.sampled_from(["sms", "voice"]),
    purpose=st.just(Purpose.ALARM),
    rung=st.just("one"),
    status=statuses,
    at_ms=st.just(1_000),
)


@given(st.lists(sendings, max_size=8), st.none() | st.floats(0, 600), st.none() | st.integers(10, 300))
def test_a_drill_passes_only_where_everybody_was_reached_and_somebody_answered_in_time(
    sent: list[Sent], after_s: float | None, within_s: int | None
) -> None:
    case = CaseReport(
        case="c",
        number="2026-1",
        opened_ms=0,
        steps=(Step(rung="one", at_ms=1_000, people=("a", "b")),),
        sent=tuple(sent),
        spared=(),
        answered_by=None if after_s is None else "person:a",
        answered_after_s=after_s,
    )
    report = judge([case], answered_within_s=within_s, unused=(), now_ms=9)
    asked = {one.person for one in sent if one.status != "withdrawn"}
    reached = {one.person for one in sent if one.status == "delivered"}
    in_time = within_s is None or (after_s is not None and after_s <= within_s)
    dead = any(
        all(one.status != "delivered" for one in sent if one.channel == channel)
        and any(one.status == "failed" for one in sent if one.channel == channel)
        for channel in ("sms", "voice")
    )
    assert report.passed == (asked <= reached and in_time and not dead)
    assert report.passed == (not report.why)


@given(st.integers(1_700_000_000_000, 1_900_000_000_000), st.sampled_from(["Asia/Shanghai", "Asia/Urumqi", "UTC"]))
def test_a_weekly_instant_comes_every_seven_days(after_ms: int, zone: str) -> None:
    found = list(When(days=("tue",), at="23:30").between(after_ms, after_ms + 28 * 86_400_000, ZoneInfo(zone)))
    assert len(found) == 4
    assert all(later - earlier == 7 * 86_400_000 for earlier, later in pairwise(found))


WRONG = [
    ({"alarm": "rain"}, "unknown alarm type"),
    ({"resident": None}, "exactly one of"),
    ({"place": "yuan"}, "exactly one of"),
    ({"tell": "instead"}, "number map"),
    ({"answered_within_s": 1000}, "longer than the drill lasts"),
    ({"report_to": [{"family": True}]}, "has no family"),
    ({"when": {"days": ["mon"], "at": "25:00"}}, "expected a time"),
    ({"lasts_s": 20_000}, "less than or equal to 14400"),
]


@pytest.mark.parametrize(("changes", "says"), WRONG)
def test_a_self_test_that_makes_no_sense_is_refused(changes: dict[str, object], says: str) -> None:
    good = {
        "id": "weekly",
        "name": {"zh": "每周自检", "en": "weekly"},
        "when": {"days": "daily", "at": "10:00"},
        "alarm": "personal_emergency",
        "ladder": "life-safety",
        "resident": "r-1",
    }
    assert SelfTest.model_validate(good).lasts_s == 900
    with pytest.raises(ValueError, match=says):
        SelfTest.model_validate(good | changes)
