"""A small community for tests of the whole gateway, as the YAML a community would write: real rules, short ladders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.rules.library import library

COMMUNITY = "yuan"

RUNGS: tuple[dict[str, Any], ...] = (
    {"id": "desk-and-grid", "after_s": 0, "notify": [{"role": "control_room"}, {"role": "grid_staff"}]},
    {"id": "family", "after_s": 1, "notify": [{"family": True}]},
    {"id": "line", "after_s": 1, "call": "120"},
)
"""Control room and grid at once, the family after a second, 120 after two."""

FAR_LINE = (*RUNGS[:2], {"id": "line", "after_s": 3600, "call": "120"})
"""The same, but 120 is not reached while a test lasts."""


def community(homes: int = 2, *, rungs: Sequence[dict[str, Any]] = RUNGS, **life_safety: Any) -> dict[str, Any]:
    """Homes with ``sos-N service-N vitals-N smoke-N contact-N`` of resident ``r-N``, whose daughter is ``daughter-N``.

    In the control room ``desk`` (messenger only), in the grid ``grid`` (messenger, then SMS); ``kiosk-1 camera-1
    traffic-1`` stand outside. ``life_safety`` changes that ladder's times.
    """
    numbers = range(1, homes + 1)
    both = ("messenger", "sms")
    return {
        "anju": 1,
        "community": {
            "id": COMMUNITY,
            "name": {"zh": "试验院", "en": "Test Yard"},
            "call_back": "000-1200-0001",
        },
        "emergency_line": {"mode": "drill", "url": "http://${CENTRE_HOST}:${CENTRE_PORT}"},
        "channels": [
            {"id": "messenger", "type": "apprise", "url": "json://${MESSENGER_HOST}:${MESSENGER_PORT}/inbox/{to}"},
            {"id": "sms", "type": "apprise", "url": "json://${MESSENGER_HOST}:${MESSENGER_PORT}/inbox/sms-{to}"},
        ],
        "rules": [{"use": rule} for rule in sorted(library())],
        "ladders": [
            {"id": "life-safety", "life_safety": True, "rungs": list(rungs)}
            | {"cancel_window_s": 20, "lease_s": 600, "repeat_s": 600}
            | life_safety,
            *(
                {"id": id_, "rungs": [{"id": "desk", "after_s": 0, "notify": [{"role": "control_room"}]}]}
                for id_ in ("urgent", "service", "maintenance")
            ),
        ],
        "rosters": [
            {
                "id": "all",
                "duties": [
                    {"role": "control_room", "place": "yuan", "people": ["desk"]},
                    {"role": "grid_staff", "place": "yuan", "people": ["grid"]},
                    {"role": "supervisor", "place": "yuan", "people": ["chief"]},
                    *(
                        {"role": role, "place": "yuan", "people": ["desk"]}
                        for role in ("guard", "doctor", "service_desk", "maintenance")
                    ),
                ],
            }
        ],
        "places": [
            {
                "id": "yuan",
                "level": "院",
                "name": {"zh": "试验院", "en": "Test Yard"},
                "position": {"lat": 39.93, "lon": 116.46, "datum": "WGS-84"},
            },
            {
                "id": "b-1",
                "level": "楼",
                "name": {"zh": "3号楼", "en": "Building 3"},
                "parent": "yuan",
                "access": "门禁 0000",
                "meet_at": "东侧路口",
            },
            *({"id": f"door-{n}", "level": "户", "name": f"{500 + n}室", "parent": "b-1"} for n in numbers),
        ],
        "people": [
            _person("desk", "值班员", "messenger"),
            _person("grid", "网格员", *both),
            _person("chief", "主管", *both),
            *(_person(f"daughter-{n}", f"女儿{n}", *both) for n in numbers),
        ],
        "residents": [
            {
                "id": f"r-{n}",
                "name": f"李秀兰{n}",
                "home": f"door-{n}",
                "sex": "female",
                "birth_year": 1940,
                "phone": f"000-{5000 + n}",
                "conditions": ["冠心病"],
                "allergies": ["青霉素"],
                "family": [{"person": f"daughter-{n}", "relation": "女儿"}],
            }
            for n in numbers
        ],
        "devices": [
            *(
                {"id": f"{prefix}-{n}", "kind": kind, "place": f"door-{n}", "resident": f"r-{n}"}
                for n in numbers
                for prefix, kind in (
                    ("sos", "sos_button"),
                    ("service", "service_button"),
                    ("vitals", "vitals_monitor"),
                    ("smoke", "smoke"),
                    ("contact", "contact"),
                )
            ),
            {"id": "kiosk-1", "kind": "kiosk", "place": "b-1"},
            {"id": "camera-1", "kind": "camera", "place": "yuan"},
            {"id": "traffic-1", "kind": "traffic_counter", "place": "yuan"},
        ],
    }


def _person(id_: str, name: str, *channels: str) -> dict[str, Any]:
    return {
        "id": id_,
        "name": name,
        "phone": f"000-{len(id_):04d}",
        "contacts": [{"channel": channel, "to": id_} for channel in channels],
    }


def write_community(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path
