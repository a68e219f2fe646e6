"""Write the community of Tuanjiehu: the scale is real, the layout, the people and the numbers are made up.

    python examples/tuanjiehu/generate.py [DIRECTORY]

Seeded: the same program always writes the same files, byte by byte. Telephone numbers begin with 000 and cannot be
dialled. Coordinates are WGS-84, spread over the sub-district's area, and are not those of real buildings or poles.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_sim import names
from firmware_sim.equipment import BINS, BUILDING_METERS, furnish
from firmware_sim.housing import HOME_RADIO
from firmware_sim.yamlrows import section
from gateway.rules.library import library

SEED = 20081101
POLES = 1769
CAMERAS = 270
GRIDS_PER_COMMUNITY = 10
LIVING_ALONE = 640
WITH_MONITOR = 160
PILOT_HOMES = 12
"""The first homes, in which everything was tried."""
SOUTH, WEST = 39.9215, 116.4555
HEIGHT, WIDTH = 0.0150, 0.0130
"""The sub-district's extent in degrees: about 1.7 km by 1.1 km."""

COMMUNITIES = (
    ("yet", "一二条", "Yiertiao"),
    ("sst", "三四条", "Sansitiao"),
    ("zlb", "中路北", "Zhonglubei"),
    ("zln", "中路南", "Zhonglunan"),
    ("szt", "水碓子", "Shuiduizi"),
    ("llt", "六里屯", "Liulitun"),
)
WATCHED = ("冠心病", "房颤", "慢阻肺", "2型糖尿病", "高血压")
ALLERGIES = ("青霉素", "磺胺", "头孢", "海鲜", "碘造影剂")
KIOSKS_AT = (
    ("服务站", "service station"),
    ("便民超市", "market"),
    ("邮局", "post office"),
    ("卫生站", "clinic"),
    ("广场", "square"),
    ("商场", "mall"),
)
ROADS = {
    "团结湖路": "branch",
    "朝阳北路": "arterial",
    "农展馆南路": "arterial",
    "东三环北路": "expressway",
    "水碓子东路": "branch",
    "六里屯路": "branch",
    "甜水园街": "branch",
    "姚家园路": "arterial",
}
"""With two stations each, one behind the other."""

Row = dict[str, object]


@dataclass
class Town:
    """The rows of every section, as they are made."""

    rng: random.Random
    places: list[Row] = field(default_factory=list)
    homes: dict[str, list[Row]] = field(default_factory=dict)
    poles: list[Row] = field(default_factory=list)
    people: list[Row] = field(default_factory=list)
    families: list[Row] = field(default_factory=list)
    residents: list[Row] = field(default_factory=list)
    devices: list[Row] = field(default_factory=list)
    duties: dict[str, list[Row]] = field(default_factory=dict)
    doors: list[str] = field(default_factory=list)
    buildings: list[tuple[str, str, int]] = field(default_factory=list)
    """Each one's id, community and number."""
    doctors: dict[str, list[str]] = field(default_factory=dict)
    phones: int = 0

    def phone(self) -> str:
        self.phones += 1
        return f"000-{self.phones // 10_000:04d}-{self.phones % 10_000:04d}"

    def device(self, id_: str, kind: str, zh: str, en: str, place: object, **attributes: str) -> Row:
        row: Row = {"id": id_, "kind": kind, "name": {"zh": zh, "en": en}, "place": place}
        self.devices.append(row)
        if attributes:
            row["attributes"] = attributes
        return row

    def person(self, section: list[Row], id_: str, name: str) -> str:
        phone = self.phone()
        contacts = [{"channel": "messenger", "to": id_}, {"channel": "sms", "to": phone}]
        section.append({"id": id_, "name": name, "phone": phone, "contacts": contacts})
        return id_

    def staff(self, role: str, place: str, ids: Iterable[str]) -> list[str]:
        people = [self.person(self.people, id_, names.name(self.rng, names.YOUNG)) for id_ in ids]
        self.duties.setdefault(role, []).append({"role": role, "place": place, "people": people})
        return people


def position(lat: float, lon: float) -> Row:
    """A point as the registry writes it; degrees."""
    return {"lat": round(lat, 6), "lon": round(lon, 6), "datum": "WGS-84"}


def generate() -> dict[str, str]:
    """The content of every file, by name. ``community.yaml`` is written by hand and includes them."""
    town = Town(random.Random(SEED))
    town.places.append(
        {
            "id": "tjh",
            "level": "街道",
            "name": {"zh": "团结湖街道", "en": "Tuanjiehu Sub-district"},
            "position": position(SOUTH + HEIGHT / 2, WEST + WIDTH / 2),
        }
    )
    whole_staff(town)
    cells: list[tuple[str, float, float]] = []
    for number, (slug, zh, en) in enumerate(COMMUNITIES):
        cells += community(
            town, slug, zh, en, south=SOUTH + HEIGHT / 3 * (number // 2), west=WEST + WIDTH / 2 * (number % 2)
        )
    poles(town, cells)
    residents(town)
    public_devices(town)
    return files(town)


def whole_staff(town: Town) -> None:
    """Those who work for the whole sub-district."""
    town.staff("control_room", "tjh", [f"operator-{n}" for n in range(1, 7)])
    town.staff("supervisor", "tjh", ["supervisor-1", "supervisor-2"])
    town.staff("maintenance", "tjh", [f"technician-{n}" for n in range(1, 5)])


def community(town: Town, slug: str, zh: str, en: str, south: float, west: float) -> list[tuple[str, float, float]]:
    """One community with its grids, buildings and doors; returns its grid cells (id, south, west)."""
    id_ = f"tjh-{slug}"
    name = {"zh": f"{zh}社区", "en": f"{en} Community"}
    town.places.append({"id": id_, "level": "社区", "name": name, "parent": "tjh"})
    town.staff("guard", id_, [f"guard-{slug}-{n}" for n in range(1, 5)])
    town.staff("service_desk", id_, [f"service-{slug}-{n}" for n in range(1, 3)])
    town.doctors[slug] = town.staff("doctor", id_, [f"doctor-{slug}-{n}" for n in range(1, 3)])
    cells = []
    building = 0
    for number in range(GRIDS_PER_COMMUNITY):
        grid = f"{id_}-g{number + 1:02d}"
        cell_south, cell_west = south + HEIGHT / 15 * (number // 2), west + WIDTH / 4 * (number % 2)
        cells.append((grid, cell_south, cell_west))
        name = {"zh": f"第{number + 1}网格", "en": f"Grid {number + 1}"}
        row = {"id": grid, "level": "网格", "name": name, "parent": id_, "in_address": False}
        town.places.append(row)
        town.staff("grid_staff", grid, [f"grid-{slug}-{number + 1:02d}-{n}" for n in "ab"])
        for units, floors, doors in buildings(town.rng):
            building += 1
            lat = cell_south + HEIGHT / 15 * town.rng.uniform(0.1, 0.9)
            lon = cell_west + WIDTH / 4 * town.rng.uniform(0.1, 0.9)
            one_building(town, slug, grid, building, units, floors, doors, position(lat, lon))
    return cells


def buildings(rng: random.Random) -> list[tuple[int, int, int]]:
    """Buildings (units, floors, doors a floor) of one grid of 150 to 180 households."""
    while True:
        chosen = [
            (rng.choice((4, 5, 6)), rng.choice((5, 6)), rng.choice((2, 3))) if rng.random() < 0.8 else (1, 18, 8)
            for _ in range(rng.choice((2, 3)))
        ]
        if 150 <= sum(units * floors * doors for units, floors, doors in chosen) <= 180:
            return chosen


def one_building(
    town: Town, slug: str, grid: str, number: int, units: int, floors: int, doors: int, where: Row
) -> None:
    """A building with its units, floors and doors."""
    house = f"tjh-{slug}-b{number:02d}"
    town.buildings.append((house, slug, number))
    side = town.rng.choice("东南西北")
    town.places.append(
        {
            "id": house,
            "level": "楼",
            "name": {"zh": f"{number}号楼", "en": f"Building {number}"},
            "parent": grid,
            "position": where,
            "meet_at": f"{number}号楼{side}侧路口",
        }
    )
    rows = town.homes.setdefault(slug, [])
    for unit in range(1, units + 1):
        entrance = f"{house}-u{unit}"
        name = {"zh": f"{unit}单元", "en": f"Unit {unit}"}
        access = "单元门禁：呼叫值班室远程开门"
        town.places.append({"id": entrance, "level": "单元", "name": name, "parent": house, "access": access})
        for floor in range(1, floors + 1):
            for door in range(1, doors + 1):
                home = f"{entrance}-{floor}{door:02d}"
                rows.append({"id": home, "level": "户", "name": f"{floor}{door:02d}", "parent": entrance})
                town.doors.append(home)


def poles(town: Town, cells: list[tuple[str, float, float]]) -> None:
    """Numbered lamp and utility poles, in the order one walks past them, and cameras on some."""
    cameras = set(town.rng.sample(range(1, POLES + 1), CAMERAS))
    for number in range(1, POLES + 1):
        grid, south, west = cells[(number - 1) * len(cells) // POLES]
        lat = south + HEIGHT / 15 * town.rng.uniform(0.02, 0.98)
        lon = west + WIDTH / 4 * town.rng.uniform(0.02, 0.98)
        name = {"zh": f"{number:04d}号杆", "en": f"Pole {number:04d}"}
        row: Row = {
            "id": f"pole-{number:04d}",
            "level": "杆",
            "name": name,
            "parent": grid,
            "position": position(lat, lon),
        }
        town.poles.append(row)
        if number in cameras:
            zh, en = f"{number:04d}号杆摄像机", f"camera on pole {number:04d}"
            town.device(f"cam-{number:04d}", "camera", zh, en, f"pole-{number:04d}")


def residents(town: Town) -> None:
    """Elderly people who live alone, with their families and what their homes are furnished with."""
    homes = town.rng.sample(town.doors, LIVING_ALONE)
    rows = {row["id"]: row for section in town.homes.values() for row in section}
    for number, home in enumerate(homes, start=1):
        resident = f"res-{number:04d}"
        town.residents.append(resident_row(town, resident, number, home))
        rows[home]["access"] = town.rng.choice(
            ("备用钥匙在社区服务站", "备用钥匙在网格员处", "门旁密码盒，密码问值班室", "备用钥匙在对门邻居处")
        )
        for item in furnish(town.rng, everything=number <= PILOT_HOMES, monitor=number <= WITH_MONITOR):
            row = town.device(f"{item.prefix}-{number:04d}", item.kind, item.zh, item.en, home, **item.attributes)
            row["resident"] = resident
            if item.kind in HOME_RADIO:
                row["via"] = concentrator(home)


def concentrator(home: str) -> str:
    """Of the building that a door is in."""
    _, slug, building, *_ = home.split("-")
    return f"conc-{slug}-{building.removeprefix('b')}"


def resident_row(town: Town, id_: str, number: int, home: str) -> Row:
    """An elderly person who lives alone at ``home``, as a row of the registry."""
    rng = town.rng
    woman = rng.random() < 0.62
    name = names.name(rng, names.OLD_WOMEN if woman else names.OLD_MEN)
    conditions = rng.sample(names.CONDITIONS, rng.choice((0, 1, 1, 2, 2, 3)))
    if number <= WITH_MONITOR and not set(conditions) & set(WATCHED):
        conditions.insert(0, rng.choice(WATCHED))
    family = []
    for index, relation in enumerate(rng.sample(names.RELATIONS, rng.choice((1, 2, 2, 3)))):
        relative = f"family-{number:04d}-{index + 1}"
        own = name[0] if relation in names.KIN else None
        town.person(town.families, relative, names.name(rng, names.YOUNG, own))
        family.append({"person": relative, "relation": relation})
    row: Row = {
        "id": id_,
        "name": name,
        "home": home,
        "sex": "female" if woman else "male",
        "birth_year": rng.randint(1931, 1954),
        "phone": town.phone(),
        "doctor": rng.choice(town.doctors[home.split("-")[1]]),
        "family": family,
        "attributes": {"lives_alone": True},
    }
    if conditions:
        row["conditions"] = conditions
    if rng.random() < 0.15:
        row["allergies"] = [rng.choice(ALLERGIES)]
    return row


def public_devices(town: Town) -> None:
    """Kiosks, bins and stations in every community, counters and signs at the roads, what carries and counts."""
    for number, (slug, zh, en) in enumerate(COMMUNITIES, start=1):
        community = f"tjh-{slug}"
        for place, (where, there) in enumerate(KIOSKS_AT):
            kiosk = f"kiosk-{number}{place + 1}"
            town.device(kiosk, "kiosk", f"{zh}{where}信息机", f"kiosk, {en} {there}", f"{community}-g{place + 1:02d}")
        for grid in range(1, GRIDS_PER_COMMUNITY + 1):
            for sort, (bin_zh, bin_en) in enumerate(BINS, start=1):
                name = f"bin-{slug}-{grid:02d}-{sort}"
                town.device(name, "waste_bin", f"{zh}第{grid}网格{bin_zh}", bin_en, f"{community}-g{grid:02d}")
        for station, grid in enumerate((2, 7), start=1):
            zh_name, en_name = f"{zh}环境监测站{station}", f"environment station {station}, {en}"
            town.device(f"env-{number}{station}", "environment", zh_name, en_name, f"{community}-g{grid:02d}")
        town.device(f"car-{number}", "tracker", f"{zh}巡查车", f"patrol car, {en}", community)
        town.device(f"modem-{number}", "modem", f"{zh}值班室通信模块", f"modem, {en} office", community)
    beside = town.rng.sample(town.poles, 2 * len(ROADS))
    for number, pole in enumerate(beside, start=1):
        road = list(ROADS)[(number - 1) // 2]
        known = {"road_class": ROADS[road]} | ({} if number % 2 else {"upstream": f"traffic-{number - 1:02d}"})
        zh, en = f"{road}流量计{number}", "traffic counter"
        town.device(f"traffic-{number:02d}", "traffic_counter", zh, en, pole["id"], **known)
        if number % 2:
            town.device(f"sign-{number // 2 + 1}", "sign", f"{road}诱导屏", "variable message sign", pole["id"])
    called = {slug: (zh, en) for slug, zh, en in COMMUNITIES}
    for house, slug, number in town.buildings:
        of_zh, of_en = f"{called[slug][0]}{number}号楼", f"{called[slug][1]} building {number}"
        town.device(f"conc-{slug}-{number:02d}", "concentrator", f"{of_zh}集中器", f"concentrator, {of_en}", house)
        for medium, zh, en in BUILDING_METERS:
            town.device(f"meter-{medium}-{slug}-{number:02d}", "meter", f"{of_zh}{zh}", f"{en}, {of_en}", house)
    # One each at the two ends of the sub-district: what burns down one does not take the other.
    boxes = (("主用网关", "gateway in use"), ("备用网关", "standby gateway"))
    for number, ((zh, en), at) in enumerate(zip(boxes, (town.buildings[0], town.buildings[-1]), strict=True), start=1):
        town.device(f"gateway-{number}", "gateway", zh, en, at[0])
    # Grafana: what it finds comes back into Anju, which knows whom to call.
    grafana = town.device("monitor-1", "monitor", "监控系统", "monitoring system", town.buildings[0][0])
    grafana |= {"profile": "grafana", "address": "bridge"}


SHIFTS_FROM = "2026-01-05"
WATCHES = ("00:00-08:00", "08:00-16:00", "16:00-24:00")
HANDOVER = {"supervisor": "supervisor", "receipt_s": 600}


def in_shifts(duty: Row) -> Row:
    """The control room in three watches of two, guards by day and by night, the supervisors day by day."""
    people: Any = duty["people"]
    kept = {key: value for key, value in duty.items() if key != "people"}
    match duty["role"]:
        case "control_room":
            crews = [people[at : at + 2] for at in (0, 2, 4)]
            return {**kept, "shifts": [turns(hours, crews[at:] + crews[:at]) for at, hours in enumerate(WATCHES)]}
        case "guard":
            crews = [people[:2], people[2:]]
            return {**kept, "shifts": [turns("07:00-19:00", crews), turns("19:00-07:00", crews[::-1])]}
        case "supervisor":
            return {**kept, "rotation": {"order": people, "from": SHIFTS_FROM, "every_days": 1, "at": "08:00"}}
    return duty


def turns(hours: str, order: list[list[str]]) -> Row:
    """A watch that people take week by week in this order."""
    return {"hours": hours, "rotation": {"order": order, "from": SHIFTS_FROM, "every_days": 7}}


def files(town: Town) -> dict[str, str]:
    """What the town's rows become: the content of every file, by name."""
    roster: list[Row] = []
    for role, duties in town.duties.items():
        handover = {"handover": HANDOVER} if role in ("control_room", "grid_staff") else {}
        roster.append({"id": role.replace("_", "-"), **handover, "duties": [in_shifts(duty) for duty in duties]})
    of_homes = f"{CAMERAS} cameras on poles, {LIVING_ALONE} homes, streets and what carries them."
    written = {
        "places.yaml": listed("places", town.places, "Sub-district, communities, grids, buildings, units."),
        "poles.yaml": listed("places", town.poles, f"The {POLES} numbered poles. Datum WGS-84."),
        "staff.yaml": listed("people", town.people, "Operators, grid staff, guards, doctors, technicians."),
        "families.yaml": listed("people", town.families, "The contacts the residents named."),
        "residents.yaml": listed("residents", town.residents, f"{LIVING_ALONE} elderly people who live alone."),
        "devices.yaml": listed("devices", town.devices, of_homes),
        "rosters.yaml": listed("rosters", roster, "Who holds which role where and when."),
        "rules.yaml": listed("rules", [{"use": name} for name in sorted(library())], "The whole library."),
    }
    for slug, rows in town.homes.items():
        written[f"homes/{slug}.yaml"] = listed("places", rows, f"The {len(rows)} doors of {slug}.")
    return written


def listed(name: str, rows: Iterable[Row], about: str) -> str:
    """A section with the word that it is generated."""
    return section(name, rows, f"{about} Written by generate.py; do not edit.")


def main() -> None:
    """Write the files, here or into the directory that is named."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, text in generate().items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
