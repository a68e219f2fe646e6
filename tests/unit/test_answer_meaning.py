"""Replies of people, and what they mean. What is not certain must never act."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answers.meaning import KEYS, Answer, Meaning, interpret

CODES = ("4711", "5823", "20117")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1", Answer.ACCEPT),
        ("１", Answer.ACCEPT),
        (" 1。", Answer.ACCEPT),
        ("①", Answer.ACCEPT),
        ("一", Answer.ACCEPT),
        ("1 好的", Answer.ACCEPT),
        ("1，我来处理，十分钟到", Answer.ACCEPT),
        ("接", Answer.ACCEPT),
        ("接单", Answer.ACCEPT),
        ("好的，我来处理！", Answer.ACCEPT),
        ("我来", Answer.ACCEPT),
        ("由我受理", Answer.ACCEPT),
        ("accept", Answer.ACCEPT),
        ("I take it", Answer.ACCEPT),
        ("OK, on it", Answer.ACCEPT),
        ("2", Answer.PASS_ON),
        ("２", Answer.PASS_ON),
        ("2 不在家", Answer.PASS_ON),
        ("来不了", Answer.PASS_ON),
        ("我去不了，请找别人", None),
        ("不接", Answer.PASS_ON),
        ("没空", Answer.PASS_ON),
        ("在外地", Answer.PASS_ON),
        ("转给下一位", Answer.PASS_ON),
        ("can't", Answer.PASS_ON),
        ("I cannot", Answer.PASS_ON),
        ("3", Answer.COMING),
        ("马上到", Answer.COMING),
        ("我马上到！", Answer.COMING),
        ("我在路上", Answer.COMING),
        ("正在赶来", Answer.COMING),
        ("已出发", Answer.COMING),
        ("on my way", Answer.COMING),
        ("4分钟到", Answer.COMING),
        ("大概10分钟后到", Answer.COMING),
        ("2 分钟就到", Answer.COMING),
        ("I'm coming", Answer.COMING),
        ("1 马上到", Answer.COMING),
        ("4", Answer.ARRIVED),
        ("到了", Answer.ARRIVED),
        ("已到现场", Answer.ARRIVED),
        ("我到门口了", Answer.ARRIVED),
        ("arrived", Answer.ARRIVED),
        ("收到", Answer.SEEN),
        ("收到，谢谢", Answer.SEEN),
        ("好的", Answer.SEEN),
        ("OK", Answer.SEEN),
        ("误报", Answer.FALSE_ALARM),
        ("误按", Answer.FALSE_ALARM),
        ("按错了", Answer.FALSE_ALARM),
        ("是误报，做饭冒烟", Answer.FALSE_ALARM),
        ("误报，老人没事", Answer.FALSE_ALARM),
        ("误报了", Answer.FALSE_ALARM),
        ("False alarm", Answer.FALSE_ALARM),
    ],
)
def test_what_people_write(text: str, answer: Answer | None) -> None:
    assert interpret(text).answer is answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "？",
        "谁接？",
        "接了吗",
        "到了吗？",
        "是误报吗",
        "不是误报",
        "没有误报",
        "not a false alarm",
        "不能马上到",
        "马上到不了",
        "没收到",
        "没到",
        "还没到现场",
        "not coming",
        "1 不能去",
        "1 误报",
        "5",
        "0",
        "10",
        "11",
        "13800138000",
        "1.5",
        "who takes it",
        "今天天气不错",
        "退订",
        "验证码 123456 请勿泄露",
        "老人怎么样了",
        "4楼火很大",
        "2号楼着火",
        "1楼着火了",
        "4个老人晕倒",
        "3人受伤",
        "4 min",
        "2 people hurt",
        "1st floor is burning",
        "4点到",
        "误报可能性不大，我过去看看",
        "误报率太高了",
        "误报还是真的",
        "是误报的话告诉我",
        "误报吧",
        "false alarm, maybe",
    ],
)
def test_what_is_not_certain_is_no_answer(text: str) -> None:
    assert interpret(text).answer is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("1 4711", Meaning(answer=Answer.ACCEPT, code="4711")),
        ("4711 1", Meaning(answer=Answer.ACCEPT, code="4711")),
        ("４７１１　１", Meaning(answer=Answer.ACCEPT, code="4711")),
        ("14711", Meaning(answer=Answer.ACCEPT, code="4711")),
        ("47112", Meaning(answer=Answer.PASS_ON, code="4711")),
        ("2,5823", Meaning(answer=Answer.PASS_ON, code="5823")),
        ("4711马上到", Meaning(answer=Answer.COMING, code="4711")),
        ("马上到 4711", Meaning(answer=Answer.COMING, code="4711")),
        ("20117 1", Meaning(answer=Answer.ACCEPT, code="20117")),
        ("120117", Meaning(answer=Answer.ACCEPT, code="20117")),
        ("4711", Meaning(code="4711")),
        ("4711 误报 按错了", Meaning(answer=Answer.FALSE_ALARM, code="4711", reason="误报 按错了")),
        ("1 9999", Meaning(answer=Answer.ACCEPT, strange="9999")),
        ("1 4711 5823", Meaning()),
        ("接 4711 谢谢", Meaning(answer=Answer.ACCEPT, code="4711")),
    ],
)
def test_codes(text: str, meaning: Meaning) -> None:
    assert interpret(text, CODES) == meaning


@given(st.text(max_size=200), st.lists(st.from_regex(r"[1-9][0-9]{3,5}", fullmatch=True), max_size=3))
def test_anything_at_all_is_taken_and_names_only_codes_of_the_person(text: str, codes: list[str]) -> None:
    meaning = interpret(text, codes)
    assert meaning.code is None or meaning.code in codes
    assert meaning.answer is None or isinstance(meaning.answer, Answer)


@given(
    st.sampled_from(sorted(KEYS)),
    st.from_regex(r"[1-9][0-9]{3}", fullmatch=True),
    st.sampled_from(["", " ", "  ", "，", ",", "\n", "。", "#", "　"]),
    st.booleans(),
    st.booleans(),
)
def test_key_and_code_in_any_order_and_form(key: str, code: str, between: str, first: bool, wide: bool) -> None:
    text = f"{key}{between}{code}" if first else f"{code}{between}{key}"
    if wide:
        text = "".join(chr(ord(one) + 0xFEE0) if one.isdigit() else one for one in text)
        assert unicodedata.normalize("NFKC", text)[0].isascii()
    assert interpret(text, (code,)) == Meaning(answer=KEYS[key], code=code)


@pytest.mark.parametrize("piece", ["嗯", "好的", "知道了", "ok", "谢谢", "i", "1 ", "4711", "误报"])
def test_long_replies_cost_no_time(piece: str) -> None:
    began = time.process_time()
    for text in (piece * 5000, piece * 240 + "x", "x" + piece * 240):
        interpret(text, CODES)
    assert time.process_time() - began < 1


def test_stuck_digits_that_can_be_read_in_two_ways_name_no_code() -> None:
    assert interpret("14711", ("4711", "1471")).code is None


@given(
    st.sampled_from(["不是", "没有", "不会", "难道是", "谁说"]),
    st.sampled_from(["误报", "接", "马上到", "到了", "受理"]),
)
def test_what_is_denied_or_asked_takes_nothing_away(denied: str, word: str) -> None:
    assert interpret(denied + word).answer not in (Answer.FALSE_ALARM, Answer.ACCEPT, Answer.COMING, Answer.ARRIVED)
