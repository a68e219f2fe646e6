"""What is said aloud: short, in one language, figures as people say them, the drill mark first."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cases.effects import Purpose
from gateway.cases.wording_spoken import MOST, speakable, spoken
from tests.support.town import Story

LANGUAGES: st.SearchStrategy[Literal["zh", "en"]] = st.sampled_from(("zh", "en"))


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        ("3号楼1201室", "zh", "3号楼幺二零幺室"),
        ("房间 501", "zh", "房间 五零幺"),
        ("请拨 010-6500-0101", "zh", "请拨 零幺零六五零零零幺零幺"),
        ("room 1201", "en", "room 1 2 0 1"),
        ("11号楼", "zh", "11号楼"),
        ("【演练】起火（3 楼）。", "zh", " 演练，起火 3 楼。"),
        ("仍无人处理 · 起火：李", "zh", "仍无人处理，起火：李"),
    ],
)
def test_figures_and_marks_are_put_as_they_are_said(text: str, language: str, said: str) -> None:
    assert speakable(text, language) == said


@given(st.text(max_size=80), LANGUAGES)
def test_no_long_figure_is_left_and_nothing_raises(text: str, language: str) -> None:
    run = 0
    for character in speakable(text, language):
        run = run + 1 if character in "0123456789" else 0
        assert run < 3


def test_an_alarm_goes_out_with_its_saying() -> None:
    sent = next(send for send in Story().sent if send.purpose is Purpose.ALARM)
    assert sent.say is not None
    assert sent.say.text == "紧急呼救：李秀兰。地点，团结湖 door-1。"
    assert sent.say.language == "zh"


def test_english_is_said_in_english() -> None:
    said = spoken("personal emergency: Li", "Beijing, Chaoyang, Street 3, Building 2, Room 1201", language="en")
    assert said.text == "personal emergency: Li. At Street 3, Building 2, Room 1 2 0 1."
    assert said.language == "en"


def test_a_drill_says_so_first() -> None:
    assert spoken("【演练】紧急呼救：李秀兰", "", language="zh").text.startswith("演练，紧急呼救")


@given(st.text(max_size=120), st.text(max_size=60), st.lists(st.text(max_size=90), max_size=3), LANGUAGES)
def test_every_saying_fits_into_fifteen_seconds(
    title: str, place: str, more: list[str], language: Literal["zh", "en"]
) -> None:
    assert len(spoken(title, place, more, language=language).text) <= MOST[language]


def test_what_fits_is_said_and_what_does_not_is_left_out_whole() -> None:
    said = spoken("已有人受理：李秀兰", "", ("很长的说明" * 20, "王网格员正在处理"), language="zh")
    assert said.text == "已有人受理：李秀兰。王网格员正在处理。"
