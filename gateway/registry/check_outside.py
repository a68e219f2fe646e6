"""Do the outside systems that are told of cases exist, and will a receiving centre know which device is meant?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.alarms import ALARM_TYPES
from gateway.cases.handover import Outsider
from gateway.registry.channels import CapChannel, Dc09Channel, WebhookChannel
from gateway.registry.check_duty import Missing
from gateway.registry.finding import Finding
from gateway.registry.model import Community
from gateway.registry.problem import Path, did_you_mean
from gateway.registry.work import work_types


def outsiders(community: Community, missing: Missing, incomplete: Collection[str]) -> Iterator[Finding]:
    """What is wrong with the hand-overs, and which zones are the same for two devices."""
    channels = {channel.id: channel for channel in community.channels}
    known = {*ALARM_TYPES, *work_types(community.work)}
    for index, outsider in enumerate(community.hand_over):
        yield from missing("channels", outsider.channel, "hand_over", index, ("channel",))
        channel = channels.get(outsider.channel)
        if channel is not None and not isinstance(channel, CapChannel | Dc09Channel | WebhookChannel):
            message = f"expected a channel of type cap, dc09 or webhook; {channel.id} is of type {channel.type}"
            yield _error(index, ("channel",), message)
        for number, type_ in enumerate(outsider.types):
            if type_ not in known:
                message = f"unknown alarm type {type_}{did_you_mean(type_, known)}"
                yield _error(index, ("types", number), message)
        for number, place in enumerate(outsider.places):
            yield from missing("places", place, "hand_over", index, ("places", number))
        for place in outsider.accounts:
            yield from missing("places", place, "hand_over", index, ("accounts", place))
        for device in outsider.zones:
            yield from missing("devices", device, "hand_over", index, ("zones", device))
        if isinstance(channel, Dc09Channel) and "devices" not in incomplete:
            yield from _same_zones(community, outsider, index)

    yield from _people(community)


def _people(community: Community) -> Iterator[Finding]:
    """People are not reached by what speaks to machines."""
    machines = {one.id: one.type for one in community.channels if isinstance(one, CapChannel | Dc09Channel)}
    for index, person in enumerate(community.people):
        for number, contact in enumerate(person.contacts):
            if contact.channel in machines:
                message = (
                    f"channel {contact.channel} is of type {machines[contact.channel]} and tells outside systems, "
                    "not people; name it under hand_over"
                )
                path = ("contacts", number, "channel")
                yield Finding(level="error", section="people", index=index, path=path, message=message)


def _same_zones(community: Community, outsider: Outsider, index: int) -> Iterator[Finding]:
    parents = {place.id: place.parent for place in community.places}
    taken: dict[tuple[str, int, int], str] = {}
    same: list[tuple[str, str, int]] = []
    for device in community.devices:
        if device.status != "active":
            continue
        zone = outsider.zone_of(device.id)
        key = _account(outsider, parents, device.place), zone.partition, zone.zone
        if taken.setdefault(key, device.id) != device.id:
            same.append((taken[key], device.id, zone.zone))
    if same:
        one, other, number = same[0]
        more = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        message = (
            f"zone {number} is both {one} and {other}{more}: the centre cannot tell them apart; "
            "give homes accounts of their own under accounts, or devices zones under zones"
        )
        yield Finding(level="warning", section="hand_over", index=index, path=("zones",), message=message)


def _account(outsider: Outsider, parents: dict[str, str | None], place: str) -> str:
    here: str | None = place
    seen: set[str] = set()
    while here is not None and here not in seen:
        if here in outsider.accounts:
            return outsider.accounts[here]
        seen.add(here)
        here = parents.get(here)
    return ""


def _error(index: int, path: Path, message: str) -> Finding:
    return Finding(level="error", section="hand_over", index=index, path=path, message=message)
