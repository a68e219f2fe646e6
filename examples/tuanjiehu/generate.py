"""Write the community of Tuanjiehu: the scale is real, the layout, the people and the numbers are made up.

    python examples/tuanjiehu/generate.py [DIRECTORY]

Seeded: the same program always writes the same files, byte by byte. Telephone numbers begin with 000 and cannot be
dialled. Coordinates are WGS-84, spread over the sub-district's area, and are not those of real buildings or poles.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.rules.library import library

SEED = 20081101
POLES = 1769
CAMERAS = 270
GRIDS_PER_COMMUNITY = 10
LIVING_ALONE = 640
WITH_MONITOR = 160
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
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
OLD_WOMEN = "秀兰 桂英 玉珍 凤英 淑珍 淑兰 秀英 玉兰 素琴 桂芳 慧敏 雅琴 月英 翠兰 美华 佩芬"
OLD_MEN = "建国 德明 志强 国庆 永福 长顺 文彬 世荣 振华 宝山 景明 连生 福海 士杰 庆林 树声"
YOUNG = "晓燕 丽 伟 敏 静 强 磊 洋 勇 军 杰 娟 涛 明 超 霞 平 刚 鑫 宇 婷 雪 鹏 博 倩 凯 琳 昊 蕾 思远 佳怡 子涵"
CONDITIONS = ("高血压", "冠心病", "2型糖尿病", "脑梗死后", "慢阻肺", "房颤", "骨质疏松", "膝关节炎", "白内障术后")
WATCHED = ("冠心病", "房颤", "慢阻肺", "2型糖尿病", "高血压")
ALLERGIES = ("青霉素", "磺胺", "头孢", "海鲜", "碘造影剂")
ROADS = ("团结湖路", "朝阳北路", "农展馆南路", "东三环北路", "水碓子东路", "六里屯路", "甜水园街", "姚家园路")

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
    doctors: dict[str, list[str]] = field(default_factory=dict)
    phones: int = 0

    def phone(self) -> str:
        self.phones += 1
        return f"000-{self.phones // 10_000:04d}-{self.phones % 10_000:04d}"

    def name(self, given: str) -> str:
        return self.rng.choice(SURNAMES) + self.rng.choice(given.split())

    def person(self, section: list[Row], id_: str, name: str) -> str:
        phone = self.phone()
        contacts = [{"channel": "messenger", "to": id_}, {"channel": "sms", "to": phone}]
        section.append({"id": id_, "name": name, "phone": phone, "contacts": contacts})
        return id_

    def staff(self, role: str, place: str, ids: Iterable[str]) -> list[str]:
        people = [self.person(self.people, id_, self.name(YOUNG)) for id_ in ids]
        self.duties.setdefault(role, []).append({"role": role, "place": place, "people": people})
        return people


def position(lat: float, lon: float) -> Row:
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
    house = f"tjh-{slug}-b{number:02d}"
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
            device = {"zh": f"{number:04d}号杆摄像机", "en": f"camera on pole {number:04d}"}
            town.devices.append(
                {"id": f"cam-{number:04d}", "kind": "camera", "name": device, "place": f"pole-{number:04d}"}
            )


def residents(town: Town) -> None:
    """Elderly people who live alone, with their families, keys, sensors and, for some, a monitor."""
    homes = town.rng.sample(town.doors, LIVING_ALONE)
    rows = {row["id"]: row for section in town.homes.values() for row in section}
    kinds: dict[str, list[Row]] = {
        kind: [] for kind in ("sos_button", "service_button", "contact", "smoke", "vitals_monitor")
    }
    names = {
        "sos_button": ("sos", "床头呼救按钮", "bedside emergency button"),
        "service_button": ("service", "生活服务按钮", "service button"),
        "contact": ("door", "入户门磁", "front door contact"),
        "smoke": ("smoke", "厨房烟感", "kitchen smoke detector"),
        "vitals_monitor": ("vitals", "健康监测仪", "vitals monitor"),
    }
    for number, home in enumerate(homes, start=1):
        resident = f"res-{number:04d}"
        town.residents.append(resident_row(town, resident, number, home))
        rows[home]["access"] = town.rng.choice(
            ("备用钥匙在社区服务站", "备用钥匙在网格员处", "门旁密码盒，密码问值班室", "备用钥匙在对门邻居处")
        )
        for kind, listed in kinds.items():
            if kind == "vitals_monitor" and number > WITH_MONITOR:
                continue
            prefix, zh, en = names[kind]
            device: Row = {"id": f"{prefix}-{number:04d}", "kind": kind, "name": {"zh": zh, "en": en}}
            listed.append({**device, "place": home, "resident": resident})
    for listed in kinds.values():
        town.devices += listed


def resident_row(town: Town, id_: str, number: int, home: str) -> Row:
    rng = town.rng
    woman = rng.random() < 0.62
    name = town.name(OLD_WOMEN if woman else OLD_MEN)
    conditions = rng.sample(CONDITIONS, rng.choice((0, 1, 1, 2, 2, 3)))
    if number <= WITH_MONITOR and not set(conditions) & set(WATCHED):
        conditions.insert(0, rng.choice(WATCHED))
    family = []
    for index, relation in enumerate(rng.sample(("女儿", "儿子", "侄女", "孙女", "邻居"), rng.choice((1, 2, 2, 3)))):
        surname = name[0] if relation in ("女儿", "儿子", "侄女") else rng.choice(SURNAMES)
        relative = f"family-{number:04d}-{index + 1}"
        town.person(town.families, relative, surname + rng.choice(YOUNG.split()))
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
    }
    if conditions:
        row["conditions"] = conditions
    if rng.random() < 0.15:
        row["allergies"] = [rng.choice(ALLERGIES)]
    return row


def public_devices(town: Town) -> None:
    """Kiosks in every community, traffic counters at the roads."""
    for number, (slug, zh, en) in enumerate((*COMMUNITIES, *COMMUNITIES), start=1):
        where, there = ("服务站", "service station") if number <= len(COMMUNITIES) else ("便民超市", "market")
        name = {"zh": f"{zh}{where}信息机", "en": f"kiosk, {en} {there}"}
        grid = f"tjh-{slug}-g01" if number <= len(COMMUNITIES) else f"tjh-{slug}-g06"
        town.devices.append({"id": f"kiosk-{number:02d}", "kind": "kiosk", "name": name, "place": grid})
    beside = town.rng.sample(town.poles, 2 * len(ROADS))
    for number, pole in enumerate(beside, start=1):
        name = {"zh": f"{ROADS[(number - 1) // 2]}流量计{number}", "en": f"traffic counter {number}"}
        row = {"id": f"traffic-{number:02d}", "kind": "traffic_counter", "name": name, "place": pole["id"]}
        town.devices.append(row)


def files(town: Town) -> dict[str, str]:
    roster = [{"id": role.replace("_", "-"), "duties": duties} for role, duties in town.duties.items()]
    written = {
        "places.yaml": section("places", town.places, "Sub-district, communities, grids, buildings, units."),
        "poles.yaml": section("places", town.poles, f"The {POLES} numbered poles. Datum WGS-84."),
        "staff.yaml": section("people", town.people, "Operators, grid staff, guards, doctors, technicians."),
        "families.yaml": section("people", town.families, "The contacts the residents named."),
        "residents.yaml": section("residents", town.residents, f"{LIVING_ALONE} elderly people who live alone."),
        "devices.yaml": section("devices", town.devices, f"{CAMERAS} cameras on poles, homes, kiosks, roads."),
        "rosters.yaml": section("rosters", roster, "Who holds which role where."),
        "rules.yaml": section("rules", [{"use": name} for name in sorted(library())], "The whole library."),
    }
    for slug, rows in town.homes.items():
        written[f"homes/{slug}.yaml"] = section("places", rows, f"The {len(rows)} doors of {slug}.")
    return written


# -- YAML: one row a line ---------------------------------------------------------------------------------------------

_BARE = re.compile(r"[A-Za-z一-鿿][A-Za-z0-9一-鿿_-]*")
_TRAPS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def section(name: str, rows: Iterable[Mapping[str, object]], about: str) -> str:
    return "\n".join((f"# {about} Written by generate.py; do not edit.", f"{name}:", *lines(rows))) + "\n"


def lines(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for row in rows:
        duties = row.get("duties")
        if isinstance(duties, list):
            yield f"  - id: {flow(row['id'])}"
            yield "    duties:"
            yield from (f"      - {flow(duty)}" for duty in duties)
        else:
            yield f"  - {flow(row)}"


def flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _TRAPS:
        return value
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, text in generate().items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
