"""Who outside is to be told of a case, and what the registry knows of where it is."""

from __future__ import annotations

from gateway.cases import scene as kept
from gateway.cases.document import Scene, Spot, Who, Words
from gateway.cases.handover import Outsider, Receiver
from gateway.cases.model import Case
from gateway.registry.channels import Dc09Channel
from gateway.registry.directory import CommunityDirectory
from gateway.registry.geo import wgs84
from gateway.registry.values import Text


def receivers(directory: CommunityDirectory, place: str | None) -> list[Receiver]:
    """The outside systems in whose area ``place`` lies, each with the account it is told under."""
    found = []
    for outsider in directory.community.hand_over:
        if outsider.places and not any(place and directory.lies_in(place, area) for area in outsider.places):
            continue
        speaks = next((one for one in directory.community.channels if one.id == outsider.channel), None)
        contact_id = isinstance(speaks, Dc09Channel)
        found.append(Receiver(outsider, contact_id, account_of(directory, outsider, place) if contact_id else ""))
    return found


def is_live(directory: CommunityDirectory, case: Case) -> bool:
    """Whether any outside system acts on this case: then it is no exercise in the feed either."""
    return any(one.rule.mode == "live" and one.rule.id in case.handed for one in receivers(directory, case.place))


def scene(directory: CommunityDirectory, case: Case) -> Scene:
    """Where ``case`` is, in words and in WGS-84, and whose home that is."""
    info = directory.community.community
    resident = directory.resident(case.resident or "")
    place = case.place if directory.place(case.place or "") is not None else resident.home if resident else None
    phone, call_back = kept.numbers(case, directory)
    about = resident is not None or (case.scene is not None and case.resident is not None)
    zh, en = (directory.place_path(place, one) or kept.place_path(case, directory, one) for one in ("zh", "en"))
    return Scene(
        community=info.id,
        community_name=_words(info.name),
        timezone=info.timezone,
        place=place,
        address=Words(zh=zh, en=en),
        pole=case.pole,
        spot=_spot(directory, case, place),
        resident=Who(name=kept.resident_name(case, directory), phone=phone) if about else None,
        call_back=call_back,
    )


def _spot(directory: CommunityDirectory, case: Case, place: str | None) -> Spot | None:
    if case.position is not None:
        at = wgs84(case.position)
        name = Words(zh="报告位置", en="as reported")
        return Spot(lat=round(at.lat, 7), lon=round(at.lon, 7), of=name, exact=True)
    for known in map(directory.place, directory.way(place)):
        if known is not None and known.position is not None:
            at = wgs84(known.position)
            return Spot(lat=round(at.lat, 7), lon=round(at.lon, 7), of=_words(known.name), exact=known.id == place)
    return None


def account_of(directory: CommunityDirectory, outsider: Outsider, place: str | None) -> str:
    """The account under which a receiving centre knows a place; empty: that of the channel."""
    for here in directory.way(place):
        if here in outsider.accounts:
            return outsider.accounts[here].upper()
    return outsider.to.upper()


def _words(text: Text) -> Words:
    return Words(zh=text.zh, en=text.en)
