"""Makes up a community of any size, from a seed: places, people, residents, devices, rosters, as one YAML file.

What an old person's home has, and what stands outside of it, is in `firmware_sim.equipment`. The rules, ladders and
channels are taken over from an existing community, as they are written there: they are a community's own decisions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from firmware_sim import names
from firmware_sim.equipment import BINS, BUILDING_METERS, furnish
from firmware_sim.housing import HOME_RADIO
from firmware_sim.yamlfile import FileError, read, read_text
from firmware_sim.yamlrows import flow, section

TAKEN_OVER = ("emergency_line", "channels", "ladders", "rules")
SERVED_IN_BUILDING = 8
"""Homes of old people who live alone, of some fifty."""
BUILDINGS_IN_GRID = 3
GRIDS_IN_COMMUNITY = 10
CAMERAS_IN_GRID = 4
SOUTH, WEST, STEP = 39.80, 116.30, 0.002
"""Where the town lies (WGS-84), and how far apart its buildings are, in degrees."""
PEOPLE_IN_ROLE = 4

Row = dict[str, Any]


@dataclass(slots=True)
class _Town:
    rng: random.Random
    roles: frozenset[str]
    places: list[Row] = field(default_factory=list)
    people: list[Row] = field(default_factory=list)
    residents: list[Row] = field(default_factory=list)
    duties: dict[str, list[Row]] = field(default_factory=dict)
    phones: int = 0

    def place(self, id_: str, level: str, name: str, parent: str | None, **more: object) -> str:
        self.places.append({"id": id_, "level": level, "name": name, **({"parent": parent} if parent else {}), **more})
        return id_

    def person(self, id_: str, given: str = names.YOUNG, surname: str | None = None) -> str:
        self.phones += 1
        phone = f"000-{self.phones // 10_000:04d}-{self.phones % 10_000:04d}"
        contacts = [{"channel": "messenger", "to": id_}, {"channel": "sms", "to": phone}]
        name = names.name(self.rng, given, surname)
        self.people.append({"id": id_, "name": name, "phone": phone, "contacts": contacts})
        return id_

    def staff(self, role: str, place: str, count: int) -> None:
        """Where the ladders know such a role."""
        if role in self.roles:
            people = [self.person(f"{role.replace('_', '-')}-{place}-{n}") for n in range(1, count + 1)]
            self.duties.setdefault(role, []).append({"role": role, "place": place, "people": people})


def make(devices: int, seed: int, like: Path) -> str:
    """The YAML of a community with exactly so many devices. Raises FileError where ``like`` lacks what it gives."""
    pattern = _pattern(like)
    roles = frozenset(
        str(who["role"])
        for ladder in pattern["ladders"]
        for rung in ladder.get("rungs", ())
        for who in rung.get("notify", ())
        if "role" in who
    )
    town = _Town(random.Random(f"make/{seed}"), roles)
    town.place("town", "城区", "仿真城区", None, position=_position(0, 0))
    for role in sorted(roles):
        town.staff(role, "town", PEOPLE_IN_ROLE)
    bought = list(islice(_devices(town), devices))
    rosters = [{"id": role.replace("_", "-"), "duties": duties} for role, duties in town.duties.items()]
    head = pattern["community"]
    about = f"anju fleet make --devices {devices} --seed {seed}"
    return "\n".join(
        (
            f"# Made up by `{about}`; rules, ladders and channels are those of {like.name}.",
            "anju: 1",
            "community: " + flow({**head, "id": "made-up", "name": {"zh": "仿真社区", "en": "Made-up Community"}}),
            *(f"{key}: {flow(pattern[key])}" for key in TAKEN_OVER if key in pattern),
            section("places", town.places, "Town, communities, grids, buildings, doors, poles."),
            section("people", town.people, "Who is on duty, and the residents' families."),
            section("residents", town.residents, "Old people who live alone."),
            section("rosters", rosters, "Who holds which role where."),
            section("devices", bought, f"{len(bought)} devices."),
        )
    )


def _devices(town: _Town) -> Iterator[Row]:
    """Without end, building by building, so that a town of any size has some of everything."""
    yield _device("gateway-1", "gateway", "网关", "gateway", "town")
    yield _device("monitor-1", "monitor", "监控系统", "monitoring system", "town")
    building = 0
    while True:
        if building % (BUILDINGS_IN_GRID * GRIDS_IN_COMMUNITY) == 0:
            yield from _community(town, building // (BUILDINGS_IN_GRID * GRIDS_IN_COMMUNITY) + 1)
        if building % BUILDINGS_IN_GRID == 0:
            yield from _grid(town, building // BUILDINGS_IN_GRID + 1)
        building += 1
        yield from _building(town, building)


def _community(town: _Town, number: int) -> Iterator[Row]:
    here = town.place(f"c{number}", "社区", f"第{number}社区", "town")
    yield _device(f"kiosk-{number}", "kiosk", f"第{number}社区信息机", "kiosk", here)
    yield _device(f"env-{number}", "environment", f"第{number}社区环境监测站", "environment station", here)
    yield _device(f"car-{number}", "tracker", f"第{number}社区巡查车", "patrol car", here)
    yield _device(f"modem-{number}", "modem", f"第{number}社区通信模块", "modem", here)
    yield _device(f"sign-{number}", "sign", f"第{number}社区诱导屏", "variable message sign", here)
    yield _device(
        f"traffic-{number}", "traffic_counter", f"第{number}社区流量计", "traffic counter", here, road_class="arterial"
    )


def _grid(town: _Town, number: int) -> Iterator[Row]:
    community = f"c{(number - 1) // GRIDS_IN_COMMUNITY + 1}"
    here = town.place(f"g{number}", "网格", f"第{number}网格", community, in_address=False)
    town.staff("grid_staff", here, 2)
    for sort, (zh, en) in enumerate(BINS, start=1):
        yield _device(f"bin-{number}-{sort}", "waste_bin", f"第{number}网格{zh}", en, here)
    for camera in range(1, CAMERAS_IN_GRID + 1):
        pole = (number - 1) * CAMERAS_IN_GRID + camera
        place = town.place(f"pole-{pole}", "杆", f"{pole:05d}号杆", here)
        yield _device(f"cam-{pole}", "camera", f"{pole:05d}号杆摄像机", "camera", place)


def _building(town: _Town, number: int) -> Iterator[Row]:
    where = _position(number // 40, number % 40)
    grid = f"g{(number - 1) // BUILDINGS_IN_GRID + 1}"
    here = town.place(f"b{number}", "楼", f"{number}号楼", grid, position=where, meet_at=f"{number}号楼东侧路口")
    yield _device(f"conc-{number}", "concentrator", f"{number}号楼集中器", "concentrator", here)
    for medium, zh, en in BUILDING_METERS:
        yield _device(f"meter-{medium}-{number}", "meter", f"{number}号楼{zh}", en, here)
    for door in town.rng.sample(range(101, 149), SERVED_IN_BUILDING):
        resident = _resident(town, number, door, here)
        for item in furnish(town.rng):
            name, home = f"{item.prefix}-{number}-{door}", str(resident["home"])
            row = _device(name, item.kind, item.zh, item.en, home, **item.attributes)
            carried = {"via": f"conc-{number}"} if item.kind in HOME_RADIO else {}
            yield {**row, "resident": resident["id"], **carried}


def _resident(town: _Town, building: int, door: int, house: str) -> Row:
    rng, id_ = town.rng, f"{building}-{door}"
    woman = rng.random() < 0.62
    name = names.name(rng, names.OLD_WOMEN if woman else names.OLD_MEN)
    relation = rng.choice(names.RELATIONS)
    relative = town.person(f"kin-{id_}", surname=name[0] if relation in names.KIN else None)
    home = town.place(f"d{id_}", "户", str(door), house, access="备用钥匙在社区服务站")
    row: Row = {
        "id": f"res-{id_}",
        "name": name,
        "home": home,
        "sex": "female" if woman else "male",
        "birth_year": rng.randint(1931, 1954),
        "conditions": rng.sample(names.CONDITIONS, rng.choice((0, 1, 1, 2))),
        "family": [{"person": relative, "relation": relation}],
        "attributes": {"lives_alone": True},
    }
    town.residents.append(row)
    return row


def _device(id_: str, kind: str, zh: str, en: str, place: str, **attributes: str) -> Row:
    row: Row = {"id": id_, "kind": kind, "name": {"zh": zh, "en": en}, "place": place}
    return row | {"attributes": attributes} if attributes else row


def _position(north: int, east: int) -> Row:
    return {"lat": round(SOUTH + north * STEP, 6), "lon": round(WEST + east * STEP, 6), "datum": "WGS-84"}


def _pattern(path: Path) -> dict[str, Any]:
    """The head of a community, and its decisions, wherever they stand in what it includes."""
    found: dict[str, Any] = {}
    files = [path]
    while files and not {"community", *TAKEN_OVER} <= found.keys():
        files.sort(key=lambda file: file.stat().st_size if file.exists() else 0)  # decisions are short, lists are long
        file = files.pop(0)
        document, _ = read(read_text(file), str(file))
        if not isinstance(document, dict):
            raise FileError(f"{file}:1: document: expected a mapping")
        for key in ("community", *TAKEN_OVER):
            if key in document:
                found.setdefault(key, document[key])
        files += [
            inner for pattern in document.get("include") or () for inner in sorted(file.parent.glob(str(pattern)))
        ]
    missing = [key for key in ("community", "channels", "ladders", "rules") if key not in found]
    if missing:
        raise FileError(f"{path}:1: {missing[0]}: missing; expected a community with {', '.join(missing)}")
    return found
