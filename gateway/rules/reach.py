"""Whether there is anything that a rule could ever hear of, for who writes it: one for nobody is silent for ever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.rules.document import ConditionRule, RuleDocument
from gateway.rules.expression import Expression, Limits, compile_expression
from gateway.rules.forms import DeviceInfo
from gateway.rules.homes import may_give
from gateway.rules.index import RuleIndex

Place = tuple[str, ...]
_SHOWN = 5
_TRUTHS = ("True", "False", "False, True")


def unreached(rule: RuleDocument, devices: Iterable[DeviceInfo]) -> list[tuple[Place, str]]:
    """What of ``rule`` no device can reach: where it stands in the rule, and why. Raises RuleError.

    A gateway's own device is there without being registered: a rule over it alone is never unreached.
    """
    known = list(devices)
    if set(rule.kinds) == {"gateway"}:
        return []
    own = [device for device in known if device.kind in rule.kinds]
    if not own:
        return [(("kinds",), f"none of the devices here is a {' or a '.join(rule.kinds)}: the rule hears nothing")]
    index = RuleIndex([rule.model_copy(update={"enabled": True})])
    meant = [device for device in own if index.applies(rule, device)]
    if not meant:
        return [(("where",), _none_fits(own, rule.where or "", index.asks(rule)))]
    found: list[tuple[Place, str]] = []
    for name, one in rule.inputs.items() if isinstance(rule, ConditionRule) else ():
        if one.link is not None:
            continue
        near = [device for device in meant if device.kind in one.kinds]
        where = None if one.where is None else compile_expression(one.where, one.kinds, limits=Limits(rule.limits))
        if not near:
            said = f"none of the devices here is a {' or a '.join(one.kinds)}: nothing is input {name}"
            found.append((("inputs", name), said))
        elif where is not None and not any(may_give(where, device) for device in near):
            found.append((("inputs", name, "where"), _none_fits(near, one.where or "", where)))
    return found


def _none_fits(devices: Sequence[DeviceInfo], where: str, asked: Expression | None) -> str:
    facts = asked.facts if asked is not None else frozenset[str]()
    said = f"none of the {len(devices)} devices of these kinds here is meant by {where}"
    for fact in sorted(facts):
        values = sorted({str(device.facts[fact]) for device in devices if fact in device.facts})
        shown = ", ".join(values[:_SHOWN]) + (" …" if len(values) > _SHOWN else "")
        said += f"; {fact} is {shown.lower() if shown in _TRUTHS else shown}" if values else f"; nobody has set {fact}"
    return said
