"""Whose number is it, in the forms in which networks and registries write numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answers.numbers import plain_number, whose
from gateway.cases.directory import Address
from gateway.registry.model import Person

WANG = Person(id="wang", name="王师傅", phone="138-0000-0001", contacts=(Address(channel="wecom", to="WangSF"),))
LI = Person(id="li", name="李雪", phone="", contacts=(Address(channel="sms", to="+86 138 0000 0001"),))
DESK = Person(id="desk", name="值班室", phone="010-6500-0001")
NOBODY = Person(id="nobody", name="无号", phone="")


@pytest.mark.parametrize(
    ("sender", "people"),
    [
        ("13800000001", ["wang", "li"]),
        ("+8613800000001", ["wang", "li"]),
        ("008613800000001", ["wang", "li"]),
        ("8613800000001", ["wang", "li"]),
        ("".join(chr(ord(one) + 0xFEE0) for one in "+8613800000001"), ["wang", "li"]),
        ("WangSF", ["wang"]),
        ("01065000001", ["desk"]),
        ("010 6500 0001", ["desk"]),
        ("13800000002", []),
        ("", []),
        ("0", []),
        ("10086", []),
        ("anonymous", []),
    ],
)
def test_whose(sender: str, people: list[str]) -> None:
    assert whose((WANG, LI, DESK, NOBODY), sender) == people


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from(["", "+86", "0086", "+86 ", "86"]))
def test_country_codes_change_nothing(number: str, country: str) -> None:
    assert plain_number(country + number) == number


@given(st.text(max_size=40))
def test_anything_at_all(sender: str) -> None:
    assert set(whose((WANG, LI, DESK, NOBODY), sender)) <= {"wang", "li", "desk"}
