"""What an emergency dispatcher hears: where, what, who, and whom to call back. Pure; in Chinese, which 120 speaks.

A dispatcher's first question is the place, down to the door (WS/T 451-2014). Twelve to fifteen seconds at the pace of a
telephone voice are some sixty characters, so what does not fit is left for the call back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.cases.wording_spoken import speakable

MOST = 75
"""Characters of one saying: 15 to 18 s, said three times."""


def call_words(card: Mapping[str, Any], *, repeat: bool) -> str:
    """The call itself; ``card``: the EmergencyCard's registry part."""
    patient = card.get("patient") or {}
    sex = {"male": "男", "female": "女"}.get(str(patient.get("sex")), "")
    age = f"{patient['age']}岁" if patient.get("age") else ""
    who = "，".join(part for part in (str(patient.get("name") or ""), sex, age) if part)
    parts = (
        "重复呼叫，可能已受理" if repeat else "",
        "社区自动呼救",
        f"地址，{_address(card)}",
        str(card.get("complaint") or "原因不明").partition("（")[0],
        who,
        f"回电，{card['call_back']}" if card.get("call_back") else "",
    )
    return _said(parts)


def update_words(told: Mapping[str, Any]) -> str:
    """Something new about a call that was made."""
    card = told.get("card") if isinstance(told.get("card"), Mapping) else {}
    assert isinstance(card, Mapping)
    return _said(("社区自动呼救的新情况", f"地址，{_address(card)}", str(told.get("what") or "")))


def cancel_words(told: Mapping[str, Any]) -> str:
    """The call that was made turned out to be needed no more."""
    card = told.get("card") if isinstance(told.get("card"), Mapping) else {}
    assert isinstance(card, Mapping)
    where = f"地址，{_address(card)}" if card else f"案卷，{told.get('case', '')}"
    return _said(("刚才的社区自动呼救取消", where, f"原因，{told.get('reason') or '未说明'}"))


def _address(card: Mapping[str, Any]) -> str:
    address = card.get("address")
    text = address.get("zh") if isinstance(address, Mapping) else address
    return str(text or "不详")[-28:]


def _said(parts: tuple[str, ...]) -> str:
    text = ""
    for part in parts:
        longer = text + (f"{part}。" if part else "")
        if len(longer) <= MOST or not text:
            text = longer
    return speakable(text, "zh")[: MOST * 2]
