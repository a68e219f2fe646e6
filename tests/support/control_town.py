"""The community of the simulated control room: three grids with homes, poles, roads, bins, kiosks and cameras."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import load_community
from tests.support.homes import write_community

COMMUNITY = "tuanjie"
GATEWAY = "gateway-1"
HOME_KINDS = ("sos_button", "service_button", "contact", "motion", "smoke", "gas", "leak", "vitals_monitor")
"""In every home."""
_SOME_HOMES = {
    1: ("valve", "presence", "medication_box", "environment"),
    2: ("co", "heat", "glass_break"),
    3: ("valve", "presence", "siren", "tracker"),
    4: ("meter", "plug", "medication_box"),
    5: ("co", "heat", "valve"),
    6: ("glass_break", "presence", "environment"),
}
"""Beside that, by home."""
HOMES = tuple(_SOME_HOMES)
GRIDS = ((1, "第1网格", "Grid 1"), (2, "第2网格", "Grid 2"), (3, "第3网格", "Grid 3"))
POLES = range(1, 10)
_ROAD_CLASSES = {1: "expressway", 2: "arterial", 3: "branch"}
_NAMES = {
    "traffic-1": ("东三环北路", "East Third Ring North"),
    "traffic-2": ("朝阳北路", "Chaoyang North Road"),
    "traffic-3": ("团结湖路", "Tuanjiehu Road"),
    "sign-1": ("东三环北路诱导屏", "sign, East Third Ring North"),
    "sign-2": ("朝阳北路诱导屏", "sign, Chaoyang North Road"),
    "sign-3": ("团结湖路诱导屏", "sign, Tuanjiehu Road"),
    "kiosk-1": ("服务站信息机", "kiosk, service station"),
    "kiosk-2": ("便民超市信息机", "kiosk, market"),
    "kiosk-3": ("邮局信息机", "kiosk, post office"),
    **{
        f"bin-{grid}{which}": (f"第{grid}网格{zh}桶", f"{en} bin, grid {grid}")
        for grid in (1, 2, 3)
        for which, zh, en in (("a", "厨余垃圾", "food waste"), ("b", "其他垃圾", "other waste"))
    },
}
"""Of what stands in the street; what is in homes is called after its kind."""
_RUNGS = (
    {"id": "desk", "after_s": 0, "notify": [{"role": "control_room"}]},
    {"id": "grid", "after_s": 30, "notify": [{"role": "grid_staff"}, {"family": True}]},
    {"id": "chief", "after_s": 90, "notify": [{"role": "supervisor"}]},
    {"id": "line", "after_s": 60, "call": "120"},
)
_ROLES = ("control_room", "grid_staff", "supervisor", "guard", "doctor", "service_desk", "maintenance")


class Fitted(NamedTuple):
    """A device and where it is."""

    id: str
    kind: str
    place: str
    resident: str | None = None
    attributes: dict[str, Any] | None = None


def devices() -> list[Fitted]:
    """Every device, in the order of the registry."""
    found = [
        Fitted(f"{kind.replace('_', '-')}-{home}", kind, f"home-{home}", f"r-{home}")
        for home in HOMES
        for kind in (*HOME_KINDS, *_SOME_HOMES[home])
    ]
    for grid, _, _ in GRIDS:
        road, bins = f"road-{grid}", f"bins-{grid}"
        found += [
            Fitted(f"traffic-{grid}", "traffic_counter", road, None, {"road_class": _ROAD_CLASSES[grid]}),
            Fitted(f"sign-{grid}", "sign", road),
            Fitted(f"bin-{grid}a", "waste_bin", bins),
            Fitted(f"bin-{grid}b", "waste_bin", bins),
            Fitted(f"kiosk-{grid}", "kiosk", f"square-{grid}"),
            Fitted(f"concentrator-{grid}", "concentrator", f"b-{grid}1"),
        ]
    found += [Fitted(f"camera-{pole}", "camera", f"pole-{pole}") for pole in POLES if pole % 3]
    found += [Fitted("modem-1", "modem", "b-11"), Fitted(GATEWAY, "gateway", "b-11")]
    return found


@cache
def town() -> CommunityDirectory:
    """The directory, read from YAML as a community would write it."""
    with TemporaryDirectory() as folder:
        return CommunityDirectory(load_community(write_community(Path(folder) / "community.yaml", document())), GATEWAY)


def document() -> dict[str, Any]:
    """The community's document."""
    return {
        "anju": 1,
        "community": {
            "id": COMMUNITY,
            "name": {"zh": "团结社区", "en": "Tuanjie Community"},
            "call_back": "000-1200-0001",
            "levels": {"grid": "网格", "building": "楼"},
        },
        "emergency_line": {"mode": "drill", "url": "http://${CENTRE_HOST}:${CENTRE_PORT}"},
        "channels": [
            {"id": id_, "type": "apprise", "url": f"json://${{MESSENGER_HOST}}:${{MESSENGER_PORT}}/{id_}/{{to}}"}
            for id_ in ("messenger", "sms")
        ],
        "rules": [{"use": rule} for rule in ("sos-pressed", "smoke-alarm", "news2-emergency")],
        "ladders": [
            {"id": "life-safety", "life_safety": True, "rungs": list(_RUNGS), "cancel_window_s": 20, "lease_s": 600},
            *(
                {"id": id_, "rungs": [{"id": "desk", "after_s": 0, "notify": [{"role": "control_room"}]}]}
                for id_ in ("urgent", "service", "maintenance")
            ),
        ],
        "work": [
            {"id": "rubbish", "zh": "暴露垃圾", "en": "exposed rubbish", "role": "service_desk"}
            | {"limits": {"accept": "30 min", "handle": "4 h"}},
            {"id": "stall", "zh": "占道经营", "en": "stalls in the way", "role": "guard"},
        ],
        "rosters": [
            {
                "id": "all",
                "duties": [{"role": role, "place": "town", "people": ["desk", "wang"]} for role in _ROLES],
            }
        ],
        "places": _places(),
        "people": [
            _person("desk", "值班员"),
            _person("wang", "王网格"),
            *(_person(f"daughter-{home}", f"女儿{home}") for home in HOMES),
        ],
        "residents": [_resident(home) for home in HOMES],
        "devices": [_device(one) for one in devices() if one.id != GATEWAY],
    }


def _places() -> list[dict[str, Any]]:
    town_name = {"zh": "团结湖街道", "en": "Tuanjiehu"}
    found: list[dict[str, Any]] = [{"id": "town", "level": "街道", "name": town_name, **_at(0, 0)}]
    for grid, zh, en in GRIDS:
        inside = f"g-{grid}"
        found.append(
            {"id": inside, "level": "网格", "name": {"zh": zh, "en": en}, "parent": "town", "in_address": False}
            | _at(grid * 0.004, 0)
        )
        for number in (1, 2):
            house = f"b-{grid}{number}"
            name = {"zh": f"{grid}{number}号楼", "en": f"Building {grid}{number}"}
            found.append(
                {"id": house, "level": "楼", "name": name, "parent": inside, **_at(grid * 0.004, number / 1e3)}
            )
            found.append({"id": f"home-{2 * (grid - 1) + number}", "level": "户", "name": "501", "parent": house})
        for id_, zh, en, level in (
            ("road", "路口", "Junction", "路口"),
            ("bins", "垃圾投放点", "Bin point", "点位"),
            ("square", "广场", "Square", "广场"),
        ):
            name = {"zh": f"{grid}号{zh}", "en": f"{en} {grid}"}
            found.append(
                {"id": f"{id_}-{grid}", "level": level, "name": name, "parent": inside}
                | _at(grid * 0.004 + 0.001, len(id_) / 1e3)
            )
    for pole in POLES:
        grid = (pole - 1) % len(GRIDS) + 1
        name = {"zh": f"{pole:04d}号杆", "en": f"Pole {pole:04d}"}
        found.append(
            {"id": f"pole-{pole}", "level": "灯杆", "name": name, "parent": f"g-{grid}"}
            | _at(grid * 0.004 + 0.002, pole / 1e3)
        )
    return found


def _at(north: float, east: float) -> dict[str, Any]:
    lat, lon = round(39.93 + north, 6), round(116.46 + east, 6)
    return {"position": {"lat": lat, "lon": lon, "datum": "WGS-84"}}


def _person(id_: str, name: str) -> dict[str, Any]:
    return {
        "id": id_,
        "name": name,
        "phone": f"000-{len(id_):04d}",
        "contacts": [{"channel": channel, "to": id_} for channel in ("messenger", "sms")],
    }


def _resident(home: int) -> dict[str, Any]:
    limits = [
        {"name": name, "value": value, "set_by": "doctor", "from": "2026-01-01"}
        for name, value in (
            ("spo2_low", 86 + home % 3),
            ("pulse_high", 115 + home),
            ("pulse_low", 48),
            ("spo2_high", 92),
            ("temperature_low", 35.5),
            ("respiration_low", 10),
            ("diastolic_low", 55),
            ("systolic_high", 140),
            ("systolic_low", 95),
            ("diastolic_high", 90),
            ("glucose_low", 4.2),
            ("glucose_high", 14),
            ("temperature_high", 37.9),
            ("respiration_high", 26),
        )
    ]
    return {
        "id": f"r-{home}",
        "name": f"李秀兰{home}",
        "home": f"home-{home}",
        "birth_year": 1940 + home,
        "phone": f"000-{5000 + home}",
        "family": [{"person": f"daughter-{home}", "relation": "女儿"}],
        "limits": limits,
    }


def _device(one: Fitted) -> dict[str, Any]:
    found: dict[str, Any] = {"id": one.id, "kind": one.kind, "place": one.place}
    if one.resident:
        found["resident"] = one.resident
    if one.attributes:
        found["attributes"] = one.attributes
    if one.kind == "traffic_counter":
        found["supervision_s"] = 1200  # in this week it speaks every quarter of an hour
    if one.id in _NAMES:
        found["name"] = dict(zip(("zh", "en"), _NAMES[one.id], strict=True))
    return found
