"""Points of all kinds of a whole community, and that they name nobody who lives there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from devices.measurements import HAPPENINGS
from devices.observation import Observation
from devices.telemetry import faults
from gateway.cases.effects import DEVICE_CHANNEL, Purpose, Send
from gateway.cases.figures import seen
from gateway.chronicle.cases import AlarmSeen, alarm_point, care_point, case_point
from gateway.chronicle.commands import command_point
from gateway.chronicle.fleet import FleetSeen, fleet_points, grid_points
from gateway.chronicle.gauges import LaneSeen, lane_point, part_point
from gateway.chronicle.ground import Ground
from gateway.chronicle.messages import Said, message_point
from gateway.chronicle.places import Places
from gateway.chronicle.residents import limit_points
from gateway.chronicle.street import Street, on_streets
from gateway.health import Part
from gateway.store.points import screen_point
from gateway.store.protocol import Point
from tests.support.stores import observe
from tests.support.town import START, Story


def names_in(texts: set[str], names: set[str]) -> set[str]:
    lengths = {len(name) for name in names}
    return {text[at : at + n] for text in texts for n in lengths for at in range(len(text) - n + 1)} & names


def everything(ground: Ground) -> list[Point]:
    """Points of all kinds, of everybody and everything of a community."""
    community = ground.directory.community
    story = Story()
    story.forward(400)
    homes = [(resident.home, resident.id) for resident in community.residents][:200]
    owners = [*[f"person:{one.id}" for one in community.people][:400], "operator:desk", None]
    places: list[tuple[str | None, str | None]] = [*homes, *((place.id, None) for place in community.places[:300])]
    ladders = [ladder.id for ladder in community.ladders]
    devices = [*ground.directory.devices] or ["sos"]
    found: list[Point] = []
    for at in range(max(len(places), len(owners))):
        place, resident = places[at % len(places)]
        ladder = community.ladders[at % len(ladders)] if ladders else story.case.ladder
        update = {"place": place, "resident": resident, "owner": owners[at % len(owners)], "ladder": ladder}
        case = story.case.model_copy(update=update | {"rung": 1 + at % len(ladder.rungs), "loop": 0})
        found.append(case_point(case, seen(case.model_dump_json()), ground, story.now_ms))
        found += [one for one in (care_point(case, found[-1]),) if one is not None]
        device = devices[at % len(devices)]
        alarm = AlarmSeen(at, "sos-pressed", "fall", "emergency", START, None, 0, device, place, "2026-1", False, True)
        found.append(alarm_point(alarm, ground))
    dark = set(ground.directory.devices)
    fleet = FleetSeen(last_seen_ms={}, states={})
    found += Places(ground).points(Counter(place for place, _ in places if place), dark, START)
    counted = fleet_points(fleet, ground, START)
    found += (*counted, *grid_points(counted))
    found += limit_points(ground, START)
    for resident in community.residents[:50]:
        said = f"{resident.name} {resident.phone or '13800001234'}: cannot be reached"
        found.append(part_point(Part(name="outbox", state="failed", critical=True, zh=said, en=said), "g", ground, 1))
    found.append(message_point(Said("k", "sms", "failed", True, False, 1, 2, 3, "2026-1"), ground))
    found += [command_point(_told(device), ground) for device in devices]
    found += Street(on_streets(ground.directory).get).heard([*_street(ground)])
    found.append(lane_point(LaneSeen("urgent", 1, 2.0, 3, [4, 5]), "g", ground.community, START))
    return found


def _told(device: str) -> Said:
    send = Send(key=device, channel=DEVICE_CHANNEL, to=device, purpose=Purpose.ACTION, data={"command": "close"})
    return Said(device, DEVICE_CHANNEL, "failed", True, False, 1, 2, 3, "2026-1", send.model_dump_json())


def _street(ground: Ground) -> Iterator[Observation]:
    """A reading of every road and bin."""
    for device in on_streets(ground.directory):
        kind = ground.directory.devices[device].kind
        metrics = {"fill": 70.0} if kind == "waste_bin" else {"speed": 30.0, "flow": 700.0, "occupancy": 12.0}
        yield observe(START, metrics, device=device, kind=kind)


def nobody_is_named(points: Sequence[Point], ground: Ground) -> None:
    """Raises AssertionError where a point names a resident or somebody close to one or has a telephone number, or is
    not of the schema, or would not be taken whole by every store."""
    community = ground.directory.community
    texts = {str(text) for p in points for text in (*p.fields.values(), *p.tags.values()) if isinstance(text, str)}
    assert names_in(texts, {resident.name for resident in community.residents}) == set()
    phones = {one.phone for one in (*community.residents, *community.people) if one.phone}
    phones |= {address.to for person in community.people for address in person.contacts if address.to.isdigit()}
    all_of_it = "\n".join(texts)
    assert {phone for phone in phones if phone in all_of_it} == set()
    relatives = {one.person for resident in community.residents for one in resident.family}
    theirs = {person.name for person in community.people if person.id in relatives}
    at_work = {ground.who(f"person:{one.id}").zh for one in community.people if one.id not in relatives}
    assert names_in(texts, {one for one in theirs if not any(one in said for said in at_work)}) == set()
    for point in points:
        assert faults(HAPPENINGS[point.measurement], point.tags, point.fields) == []
        assert screen_point(point)[1] == ""
