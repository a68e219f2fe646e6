"""What is said aloud: short, in one language, figures as people say them, the drill mark first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cases.effects import Purpose
from gateway.cases.wording_spoken import MOST, speakable, spoken
from tests.support.town import Story, Town, change


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("3号楼1201室", "zh", "3号楼幺二零幺室"),
        ("房间 501", "zh", "房间 五零幺"),
        ("请拨 010-6500-0101", "zh", "请拨 零幺零六五零零零幺零幺"),
        ("room 1201", "en", "room 1 2 0 1"),
        ("11号楼", "zh", "11号楼"),
        ("【演练】起火（3 楼）", "zh", " 演练 起火 3 楼 "),
    ],
)
def test_figures_are_said_one_by_one(text: str, language: str, said: str) -> None:
    assert speakable(text, language) == said


@given(st.text(max_size=80), st.sampled_from(["zh", "en"]))
def test_no_long_figure_is_left_and_nothing_raises(text: str, language: str) -> None:
    out = speakable(text, language)
    run = 0
    for character in out:
        run = run + 1 if character in "0123456789" else 0
        assert run < 3


def test_an_alarm_goes_out_with_its_saying() -> None:
    sent = next(send for send in Story().sent if send.purpose is Purpose.ALARM)
    assert sent.say is not None
    assert sent.say.text == "紧急呼救，李秀兰。地点，团结湖 door-1。"
    assert sent.say.language == "zh"


def test_english_is_said_in_english() -> None:
    case = Story().case
    said = spoken(case, Purpose.ALARM, Town(), language="en")
    assert said is not None
    assert said.text == "personal emergency, 李秀兰. At 团结湖 door-1."
    assert said.language == "en"


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_saying_fits_into_fifteen_seconds_and_begins_with_the_drill(purpose: Purpose, language: str) -> None:
    case = Story(first=change()).case
    long = ("详细情况，" * 30, "a long story, " * 30)
    said = spoken(case, purpose, Town(), language=language, detail=long, drill=True)
    if purpose in (Purpose.INDICATE, Purpose.ACTION, Purpose.BY_HAND, Purpose.EMERGENCY_CALL, Purpose.EMERGENCY_CANCEL):
        assert said is None
        return
    assert said is not None
    assert said.text.startswith("演练，演练" if language == "zh" else "This is a drill")
    assert len(said.text) <= MOST[language]
    assert "120" not in said.text


def test_what_fits_is_said_as_well() -> None:
    case = Story().case
    said = spoken(case, Purpose.TAKEN, Town(), language="zh", detail=("王网格员正在处理", "Wang is on it"))
    assert said is not None
    assert said.text.endswith("王网格员正在处理。")
