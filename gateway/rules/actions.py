"""Which devices the actions of a rule mean: their ``where``, over the facts of the device that is to do something."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from gateway.rules.document import Action, RuleDocument
from gateway.rules.env import Env
from gateway.rules.errors import RuleError
from gateway.rules.expression import Expression, compile_expression
from gateway.rules.forms import DeviceInfo

_NOW = ZoneInfo("UTC")


def compile_actions(rule: RuleDocument) -> tuple[Expression, ...]:
    """The ``where`` of a rule's actions. Raises RuleError, naming rule and key."""
    found = []
    for at, action in enumerate(rule.do):
        if action.where is None:
            continue
        try:
            found.append(compile_expression(action.where, action.kinds, facts_only=True))
        except RuleError as error:
            error.rule, error.key = rule.id, f"do.{at}.where"
            raise
    return tuple(found)


def means(action: Action, device: DeviceInfo) -> bool:
    """Whether an action is for this device. What is not known of a device leaves it out."""
    if device.kind not in action.kinds:
        return False
    if action.where is None:
        return True
    where = compile_expression(action.where, action.kinds, facts_only=True)
    try:
        return where.evaluate({}, Env(device, 0, _NOW)) is True
    except ZeroDivisionError:
        return False
