"""What docs/devices says of all profiles together: tables from the code, the schema for editors."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from devices.coverage import by_kind, commands
from devices.gear.declared import load_profile
from devices.gear.profile_error import ProfileError
from devices.kinds import KINDS
from devices.profiles import PROFILES
from docs.devices import make

SHIPPED = sorted((make.HERE.parents[1] / "devices" / "profiles").glob("*.yaml"))


@cache
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((make.HERE / "profile.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_generated_parts_are_current() -> None:
    assert make.stale() == [], "run `python -m docs.devices.make`"
    assert make.main(["--check"]) == 0


def test_a_change_is_noticed(tmp_path: Path) -> None:
    page = (make.HERE / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(page.replace("`smoke`", "`smokes`"), encoding="utf-8")
    assert [path.name for path in make.stale(tmp_path)] == ["README.md", "profile.schema.json"]
    (tmp_path / "README.md").write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="expected a line"):
        make.stale(tmp_path)
    assert make.main(["--wrong"]) == 2


def test_the_coverage_table_tells_what_is_simulated_and_what_is_tested(tmp_path: Path) -> None:
    assert "smoke" in make.simulated("tasmota") and "smoke" in make.tested("tasmota")
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "test_profile_rtl_433.py").write_text('# "leak"\nKIND = "smoke"\n', encoding="utf-8")
    assert make.tested("rtl-433", tmp_path, tmp_path) == {"smoke"}
    (tmp_path / "rtl-433.md").write_text("<!-- try: contact topic=a/b -->\n", encoding="utf-8")
    assert make.tested("rtl-433", tmp_path, tmp_path) == {"smoke", "contact"}
    assert make.tested("onetouch-ultraeasy") == {"vitals_monitor"}
    assert make.over_the_wire("rtl-433") and not make.over_the_wire("rtl-433", tmp_path)


def test_every_kind_and_profile_has_its_row() -> None:
    page = (make.HERE / "README.md").read_text(encoding="utf-8")
    assert set(by_kind()) == set(KINDS)
    assert [kind for kind in KINDS if not re.search(rf"^\| `{kind}` ", page, re.MULTILINE)] == []
    assert [key for key in PROFILES if f"| [{key}]({key}.md) |" not in page] == []
    for (kind, command), keys in commands().items():
        assert all(command in PROFILES[key].commands[kind] for key in keys)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_schema_accepts_every_declared_profile(path: Path) -> None:
    validator().validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_the_schema_and_the_example_of_the_page_agree() -> None:
    page = (make.HERE / "README.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- profile -->\n```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert example is not None
    validator().validate(yaml.safe_load(example[1]))


@pytest.mark.parametrize(
    "change",
    [
        {"key": "Not A Key"},
        {"carrier": "pigeon"},
        {"models": []},
        {"kinds": {}},
        {"kinds": {"smok": {}}},
        {"kinds": {"smoke": {"metrics": {"alrm": "x"}}}},
        {"kinds": {"smoke": {"events": {"smoke_cleard": "x"}}}},
        {"messages": [{}]},
        {"messages": [{"topic": "a/{address}", "wen": "x"}]},
        {"messages": [{"topic": "a/{address}", "copies": {"within_s": 0}}]},
        {"something": "else"},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(change: dict[str, Any]) -> None:
    sound: dict[str, Any] = {
        "key": "a", "zh": "一", "en": "a", "carrier": "mqtt", "models": ["a"], "source": "a",
        "messages": [{"topic": "a/{address}"}], "kinds": {"smoke": {"metrics": {"alarm": "x"}}},
    }  # fmt: skip
    validator().validate(sound)
    load_profile(json.dumps(sound), "a.yaml")
    assert not validator().is_valid(sound | change)
    with pytest.raises(ProfileError):
        load_profile(json.dumps(sound | change), "a.yaml")
