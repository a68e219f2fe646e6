"""`anju rules` on a gateway's data: taught by its own help, and never a good rule replaced by a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from gateway.cli import app
from gateway.registry import store
from gateway.registry.load import load_community
from gateway.state.db import open_database
from tests.support.homes import community, write_community

NOW = 1_790_000_000_000
USED = ("sos-pressed", "smoke-alarm", "bin-full")
COLD = """\
id: cold-kiosk
zh: 信息机低温
en: Kiosk too cold
form: threshold
kinds: [kiosk]
when: temperature < -20
clear: temperature > -15
raises: {type: device_fault, severity: service, ladder: maintenance}
examples:
  - name: cold
    given: [{at: "08:00", metrics: {temperature: -21}}]
    expect: [{move: raise, at: "08:00"}]
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    store.apply(engine, load_community(files(tmp_path)), "test", NOW)
    engine.dispose()
    return tmp_path


def files(directory: Path) -> Path:
    document = community() | {"rules": [{"use": rule} for rule in USED]}
    return write_community(directory / "community.yaml", document)


def rules(data_dir: Path, *args: str | Path, ok: bool = True) -> Result:
    command = ["rules", *map(str, args)]
    if args[0] not in ("test", "library", "schema"):
        command += ["--data-dir", str(data_dir)]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, command)
    assert (result.exit_code == 0) is ok, result.output
    return result


def written(directory: Path, text: str) -> Path:
    path = directory / "rule.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rule_is_added_tried_out_edited_and_restored(data_dir: Path) -> None:
    said = rules(data_dir, "add", written(data_dir, COLD), "--shadow").stdout
    assert "已新建 created: cold-kiosk v1, revision 2" in said
    assert "试运行 trying out" in rules(data_dir, "list").stdout
    assert "已正式启用 in force: cold-kiosk v1" in rules(data_dir, "live", "cold-kiosk").stdout
    text = rules(data_dir, "show", "cold-kiosk").stdout
    assert yaml.safe_load(text)["version"] == 1
    edited = written(data_dir, text.replace("< -20", "< -19"))
    assert "已修改 edited: cold-kiosk v2" in rules(data_dir, "edit", edited).stdout
    late = rules(data_dir, "edit", edited, ok=False)
    assert "version 2 is in force, this goes on from 1" in late.output
    history = rules(data_dir, "history", "cold-kiosk").stdout
    assert 'when "temperature < -20" → "temperature < -19"' in history and "operator:" in history
    assert "when: temperature < -20" in rules(data_dir, "history", "cold-kiosk", "--version", "1").stdout
    assert "已恢复版本 1 restored: cold-kiosk v3" in rules(data_dir, "restore", "cold-kiosk", "1").stdout
    assert "when: temperature < -20" in rules(data_dir, "show", "cold-kiosk").stdout
    assert "没有变化 nothing to change" in rules(data_dir, "enable", "cold-kiosk").stdout
    assert "已删除 deleted" in rules(data_dir, "delete", "cold-kiosk", "--yes").stdout
    gone = rules(data_dir, "show", "cold-kiosk", ok=False)
    assert "there is no rule cold-kiosk" in gone.output
    assert "删除 deleted" in rules(data_dir, "history", "cold-kiosk").stdout


def test_what_is_wrong_is_said_with_its_place(data_dir: Path) -> None:
    bad = written(data_dir, COLD.replace("< -20", "<< -20"))
    said = rules(data_dir, "validate", bad, ok=False)
    assert "rule.yaml:6: when:" in said.output
    nobody = written(data_dir, COLD.replace("maintenance", "maintainance"))
    said = rules(data_dir, "validate", nobody, ok=False)
    assert "rule.yaml:8: raises.ladder:" in said.output and "did you mean maintenance" in said.output
    assert "未执行 not done" in rules(data_dir, "add", nobody, ok=False).output
    fine = rules(data_dir, "validate", written(data_dir, COLD)).stdout
    assert "1 条规则 rules" in fine and "not checked" not in fine
    alone = data_dir / "elsewhere"
    alone.mkdir()
    assert "not checked in a community" in rules(alone, "validate", written(alone, COLD)).stdout
    assert "cannot be read" in rules(data_dir, "validate", data_dir / "none.yaml", ok=False).output


def test_examples_are_run_and_shown_with_every_decision(data_dir: Path) -> None:
    said = rules(data_dir, "test", written(data_dir, COLD)).stdout
    assert "✓ cold" in said and "报警 raise temperature -21 < -20" in said and "1 个示例通过 examples pass" in said
    failing = written(data_dir, COLD.replace('at: "08:00"}]', 'at: "08:05"}]'))
    said = rules(data_dir, "test", failing, ok=False).output
    assert "✗ cold" in said and "未预期 not expected" in said
    assert "expected raise at 08:05; the rule gives raise at 08:00" in said
    several = written(data_dir, "rules:\n- {use: bin-full}\n- {use: smoke-alarm}\n")
    assert "smoke-alarm" in rules(data_dir, "test", several).stdout
    broken = rules(data_dir, "test", written(data_dir, COLD.replace("< -20", "<< -20")), ok=False).output
    assert "when:" in broken and "1 处错误 errors" in broken


def test_life_safety_out_of_force_is_said(data_dir: Path) -> None:
    assert "nobody is told of it by rule sos-pressed" in rules(data_dir, "disable", "sos-pressed").stdout


def test_export_is_what_files_want_and_apply_keeps_what_was_done_here(data_dir: Path) -> None:
    rules(data_dir, "add", written(data_dir, COLD))
    rules(data_dir, "shadow", "bin-full")
    rules(data_dir, "delete", "smoke-alarm", "--yes")
    here = yaml.safe_load(rules(data_dir, "export", "--made-here").stdout)
    assert [one["id"] for one in here["rules"]] == ["bin-full", "cold-kiosk"]
    assert len(yaml.safe_load(rules(data_dir, "export").stdout)["rules"]) == 3
    apply = ["apply", str(files(data_dir)), "--data-dir", str(data_dir), "--yes"]
    kept = CliRunner(env={"COLUMNS": "200"}).invoke(app, apply)
    assert kept.exit_code == 0, kept.output
    assert (
        "= rules bin-full: 在网关上修改过，保留" in kept.output
        and "shadow: 文件 file false, 保留 kept true" in kept.output
    )
    assert "= rules cold-kiosk: " in kept.output and "不在文件中 in no file" in kept.output
    assert "= rules smoke-alarm: 在网关上删除过，不恢复" in kept.output
    assert "anju rules export --made-here" in kept.output
    taken = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*apply, "--take-file"])
    assert taken.exit_code == 0, taken.output
    back = yaml.safe_load(rules(data_dir, "export").stdout)["rules"]
    assert sorted(one["id"] for one in back) == sorted(USED)
    assert "文件中已移除 removed from the files" in rules(data_dir, "history", "cold-kiosk").stdout


def test_the_library_and_the_schema_are_printed(data_dir: Path) -> None:
    assert "spo2-critical" in rules(data_dir, "library").stdout
    assert yaml.safe_load(rules(data_dir, "library", "bin-full").stdout)["id"] == "bin-full"
    assert json.loads(rules(data_dir, "schema").stdout)["title"] == "Anju rules"


def test_history_and_list_can_be_read_on_a_narrow_terminal(data_dir: Path) -> None:
    rules(data_dir, "add", written(data_dir, COLD))
    text = yaml.safe_load(rules(data_dir, "show", "cold-kiosk").stdout)
    many = {**text, "examples": [{**text["examples"][0], "name": f"cold {number}"} for number in range(40)]}
    rules(data_dir, "edit", written(data_dir, json.dumps(many)))
    rules(data_dir, "edit", written(data_dir, json.dumps({**text, "version": 2, "clear": "temperature > -14"})))
    lines = rules(data_dir, "history", "cold-kiosk").stdout.splitlines()
    changed = next(number for number, line in enumerate(lines) if "  v3  " in line)
    assert lines[changed + 1].strip() == 'clear "temperature > -15" → "temperature > -14"'
    assert lines[changed + 2].strip() == "examples 示例有改动 changed"
    command = ["rules", "list", "--data-dir", str(data_dir)]
    narrow = CliRunner(env={"COLUMNS": "80"}).invoke(app, command).stdout.splitlines()
    assert all(len(line) <= 80 for line in narrow)
    assert any(line.startswith("cold-kiosk  ") and "启用 on" in line and "信息机低温" in line for line in narrow)
