"""Which devices do what when an alarm is raised: the commands of its rule, with the devices there are."""

from __future__ import annotations

from collections.abc import Sequence

from devices.kinds import KINDS
from gateway.alarms import AlarmChange
from gateway.cases.commands import Order
from gateway.registry.directory import CommunityDirectory
from gateway.rules.actions import means
from gateway.rules.document import Action, RuleDocument


def orders(directory: CommunityDirectory, rule: RuleDocument | None, change: AlarmChange) -> tuple[Order, ...]:
    """What is to be done for ``change``; nothing for a rule that is gone."""
    return () if rule is None else tuple(_order(directory, action, change) for action in rule.do)


def _order(directory: CommunityDirectory, action: Action, change: AlarmChange) -> Order:
    meant = _meant(directory, action, change)
    words = KINDS[action.kinds[0]].commands[action.command]
    return Order(
        command=action.command,
        args=action.args,
        zh=words.zh,
        en=words.en,
        devices=tuple(device for device in meant if directory.obeys(device, action.command)),
        unable=tuple(device for device in meant if not directory.obeys(device, action.command)),
    )


def _meant(directory: CommunityDirectory, action: Action, change: AlarmChange) -> Sequence[str]:
    device = directory.devices.get(change.device or "")
    near: Sequence[str]
    if action.at == "device":
        near = () if device is None else (device.id,)
    else:
        place = change.place or (device.place if device is not None else None)
        near = () if place is None else directory.near(place, action.kinds)
    return [one for one in near if (known := directory.ruled(one)) is not None and means(action, known)]
