"""Small communities for tests of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.registry.chinese import chinese
from gateway.registry.load import Reading, load_community, read_community
from gateway.registry.model import Community

SMALL = """\
anju: 1
community: {id: demo, name: 小区, call_back: 000-1}
emergency_line: {url: "http://${CENTRE_HOST}:${CENTRE_PORT}"}
include: [more.yaml]
channels:
  - {id: messenger, type: apprise, url: "json://${MESSENGER_HOST}/inbox/{to}"}
rules:
  - id: sos-pressed
    version: 1
    zh: 呼救
    en: emergency call
    form: event
    kinds: [sos_button]
    subject: resident
    events: [press]
    cancel_events: [cancel]
    raises: {type: personal_emergency, severity: emergency, ladder: life}
ladders:
  - id: life
    life_safety: true
    cancel_window_s: 30
    rungs:
      - {id: desk, after_s: 0, notify: [{role: control_room}]}
      - {id: family, after_s: 45, notify: [{family: true}]}
      - {id: line, after_s: 60, call: "120"}
rosters:
  - {id: desk, duties: [{role: control_room, place: town, people: [op]}]}
"""
MORE = """\
places:
  - {id: town, level: 街道, name: {zh: 团结湖街道, en: Tuanjiehu}, position: {lat: 39.9, lon: 116.4, datum: WGS-84}}
  - {id: grid, level: 网格, name: {zh: 第3网格, en: Grid 3}, parent: town, in_address: false}
  - {id: b3, level: 楼, name: {zh: 3号楼, en: Building 3}, parent: grid, access: 门禁 1234, meet_at: 东侧路口}
  - {id: b3-501, level: 户, name: "501", parent: b3, access: 钥匙在邻居处}
people:
  - {id: op, name: 王敏, phone: 000-2, contacts: [{channel: messenger, to: op}]}
  - {id: daughter, name: 李雪, phone: 000-3, contacts: [{channel: messenger, to: d}, {channel: messenger, to: d2}]}
residents:
  - id: li
    name: 李秀兰
    home: b3-501
    sex: female
    birth_year: 1940
    phone: 000-4
    conditions: [冠心病]
    doctor: op
    family: [{person: daughter, relation: 女儿}]
devices:
  - {id: sos-1, kind: sos_button, place: b3-501, resident: li}
"""


def write(directory: Path, files: dict[str, str]) -> Path:
    """Write files below ``directory``; returns the path of the main one, ``community.yaml``."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory / "community.yaml"


def small(directory: Path, *replacements: tuple[str, str], **extra: str) -> Path:
    """The small community with some text replaced (each must be there), and further files by name without .yaml."""
    files = {"community.yaml": SMALL, "more.yaml": MORE}
    for old, new in replacements:
        name = next(name for name, text in files.items() if old in text)
        files[name] = files[name].replace(old, new, 1)
    return write(directory, files | {f"{name}.yaml": text for name, text in extra.items()})


def read(directory: Path, *replacements: tuple[str, str], **extra: str) -> Reading:
    return read_community(small(directory, *replacements, **extra))


def said(result: Reading) -> list[str]:
    """The problems as printed, with the directory and the Chinese in front of the message taken off."""
    return [
        _without_folder(result, str(problem).replace(f"{chinese(problem.message)} {problem.message}", problem.message))
        for problem in result.problems
    ]


def printed(result: Reading) -> list[str]:
    """The problems as printed, with the directory taken off."""
    return [_without_folder(result, str(problem)) for problem in result.problems]


def _without_folder(result: Reading, text: str) -> str:
    return text.replace(str(Path(result.files[0]).parent) + "/", "")


def loaded(directory: Path, *replacements: tuple[str, str], **extra: str) -> Community:
    return load_community(small(directory, *replacements, **extra))


def without(community: Community, section: str, id_: str) -> Community:
    kept: Any = tuple(item for item in getattr(community, section) if item.id != id_)
    return community.model_copy(update={section: kept})
