"""From a telephone number as people write it to the one that the trunk wants."""

from __future__ import annotations

import re

from gateway.registry.check_numbers import is_emergency
from gateway.settings import DialPlan

_MARKS = re.compile(r"[\s\-–().·/]")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_SHORT = 7
"""Numbers of fewer digits have no area: 120, 12345, an extension. They are sent as they are."""


def public_emergency(number: str, plan: DialPlan) -> bool:
    """Whether ``number``, which `dialled` takes, is a public emergency number, with or without an area before it."""
    return is_emergency(number, plan.country_code)


def dialled(number: str, plan: DialPlan) -> str:
    """The digits to be sent for ``number``. Raises ValueError for what is no telephone number."""
    bare = _MARKS.sub("", number)
    if not _NUMBER.fullmatch(bare):
        raise ValueError(f"不是电话号码 expected a number such as 13800138000 or +861065001234, got {number!r}")
    country = plan.country_code
    if bare.startswith("00") and len(bare) > _SHORT:
        bare = "+" + bare[2:]
    if plan.form == "e164":
        if bare.startswith("+") or len(bare) < _SHORT:
            return plan.prefix + bare
        return f"{plan.prefix}+{country}{bare.removeprefix(plan.trunk_prefix)}"
    if not bare.startswith("+"):
        return plan.prefix + bare
    digits = bare[1:]
    if not digits.startswith(country):
        return f"{plan.prefix}00{digits}"
    national = digits[len(country) :]
    whole = national.startswith(tuple(plan.whole.split()))
    return plan.prefix + ("" if whole else plan.trunk_prefix) + national
