"""`anju devices` as a technician uses it: adopt, replace, test, retire; tables, firmware, batteries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from devices.observation import Lane, Observation
from gateway.cli import app
from gateway.clock import SystemClock
from gateway.registry import candidates, care, desk, store
from gateway.registry.candidates import CandidateNote
from gateway.registry.devices_care_cli import seconds_of
from gateway.registry.model import Device
from gateway.state.db import open_database
from gateway.state.tables import device_states
from gateway.store.embedded import EmbeddedStore
from tests.support.registry import small

NOW = SystemClock().now_ms()
DAY = 86_400_000
BRIDGE = ("devices:\n", "bridges:\n  - {id: z2m, profile: zigbee2mqtt}\ndevices:\n")
Run = Callable[..., str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return small(tmp_path / "files", BRIDGE)


@pytest.fixture
def run(data: Path, files: Path) -> Run:
    def run(*args: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [*map(str, args), "--data-dir", str(data)], env={"COLUMNS": "240"})
        assert result.exit_code == code, result.output
        return result.output

    run("apply", files, "--yes")
    return run


@pytest.fixture
def engine(run: Run, data: Path) -> sa.Engine:
    return open_database(f"sqlite:///{data / 'state.db'}")


def device(engine: sa.Engine, id_: str) -> Device:
    community = store.load(engine)
    assert community is not None
    return next(device for device in community.devices if device.id == id_)


def stranger(engine: sa.Engine, address: str = "0x00158d0001a2b3c4", **more: object) -> None:
    fields: dict[str, object] = {"bridge": "z2m", "profile": "zigbee2mqtt", "kind": "contact", "vendor": "Aqara"}
    fields |= {"heard": True, "at_ms": NOW, "address": address} | more
    with engine.begin() as connection:
        candidates.note(connection, [CandidateNote(**fields)], NOW)  # type: ignore[arg-type]  # a helper of fields


def test_a_stranger_is_seen_adopted_and_gone_from_the_list(run: Run, engine: sa.Engine) -> None:
    assert "没有待接入设备" in run("devices", "candidates")
    stranger(engine)
    listed = run("devices", "candidates")
    assert "0x00158d0001a2b3c4" in listed
    assert "Aqara" in listed
    said = run("devices", "adopt", "z2m", "0x00158d0001a2b3c4", "--place", "b3-501", "--name", "房门")
    assert "✓ 已接入 adopted: contact-b3-501 (contact), revision 2" in said
    made = device(engine, "contact-b3-501")
    assert (made.bridge, made.address, made.resident) == ("z2m", "0x00158d0001a2b3c4", "li")
    assert "没有待接入设备" in run("devices", "candidates")
    stranger(engine)  # its bridge describes it again
    assert "没有待接入设备" in run("devices", "candidates")
    assert "登记：接入 added: adopted" in run("devices", "history", "contact-b3-501")


def test_what_stands_against_an_adoption_is_said(run: Run, engine: sa.Engine) -> None:
    assert "没有这台待接入设备" in run("devices", "adopt", "z2m", "nobody", "--place", "b3", code=1)
    stranger(engine, kind=None)
    assert "say what it is" in run("devices", "adopt", "z2m", "0x00158d0001a2b3c4", "--place", "b3", code=1)
    said = run("devices", "adopt", "z2m", "0x00158d0001a2b3c4", "--place", "b4", "--kind", "contact", code=1)
    assert "contact-b4: place: 引用不存在 there is no place b4; add it to places or correct the id" in said
    assert store.revision(engine) == 1


def test_one_that_is_none_of_ours_is_dismissed(run: Run, engine: sa.Engine) -> None:
    stranger(engine)
    run("devices", "dismiss", "z2m", "0x00158d0001a2b3c4")
    assert "没有待接入设备" in run("devices", "candidates")
    assert "0x00158d0001a2b3c4" in run("devices", "candidates", "--dismissed")
    run("devices", "dismiss", "z2m", "nobody", code=1)


def test_a_label_finds_the_stranger_it_is_on(run: Run, engine: sa.Engine) -> None:
    stranger(engine, "0x54ef44100006e7df")
    stranger(engine, "0x00158d0001a2b3c4")
    code = "G$M:69775$S:680S$D:0017%Z$A:54EF44100006E7DF$I:3313A005E177A647FC7925620AB207C4BEF5"
    assert run("devices", "candidates", "--label", code).count("0x") == 1
    assert "added: contact-b3 (contact)" in run("devices", "add", code, "--place", "b3")
    made = device(engine, "contact-b3")
    assert (made.address, made.serial) == ("0x54ef44100006e7df", "680S")
    assert "已登记 contact-b3" in run("devices", "add", code, "--place", "b3", code=1)
    assert "a Matter pairing code" in run("devices", "add", "MT:Y.K9042C00", "--place", "b3", code=1)
    assert "let it speak once" in run("devices", "add", "SN:unheard", "--place", "b3", "--kind", "smoke", code=1)


def test_a_device_is_added_before_it_has_spoken(run: Run, engine: sa.Engine) -> None:
    run("devices", "add", "--kind", "sos_button", "--id", "sos-2", "--place", "b3-501", "--serial", "B2")
    assert device(engine, "sos-2") == Device(id="sos-2", kind="sos_button", place="b3-501", resident="li", serial="B2")
    run("devices", "add", "anju:smoke:smoke-7F?sn=A1", "--place", "b3")
    assert device(engine, "smoke-7F").serial == "A1"
    options = ("--profile", "zigbee2mqtt", "--address", "0x1", "--kind", "leak", "--place", "b3", "--bridge", "z2m")
    run("devices", "add", *options)
    assert device(engine, "leak-b3").bridge == "z2m"


def test_change_replace_retire_and_bring_back(run: Run, engine: sa.Engine) -> None:
    run("devices", "change", "sos-1", "--name", "床头", "--supervision", "900", "--resident", "")
    changed = device(engine, "sos-1")
    assert (changed.supervision_s, changed.resident) == (900, None)
    assert changed.name is not None
    assert changed.name.en == "床头"
    run("devices", "change", "sos-1", "--name-en", "bed")
    named = device(engine, "sos-1").name
    assert named is not None
    assert (named.zh, named.en) == ("床头", "bed")
    assert "没有变化" in run("devices", "change", "sos-1", "--place", "b3-501")
    assert "已更换 replaced: sos-1 → sos-7F" in run(
        "devices", "replace", "sos-1", "--address", "sos-7F", "--serial", "B2"
    )
    assert "已停用 retired: sos-1" in run("devices", "retire", "sos-1", "--why", "老人搬走")
    assert "已经停用" in run("devices", "retire", "sos-1", "--why", "again")
    assert "retired" in run("devices", "show", "sos-1")
    assert "sos-1" not in run("devices", "list")
    assert "sos-1" in run("devices", "list", "--retired")
    run("devices", "change", "sos-1", "--back-in-service", "--name", "", "--supervision", "0")
    back = device(engine, "sos-1")
    assert (back.status, back.name, back.supervision_s) == ("active", None, None)
    life = run("devices", "history", "sos-1")
    for expected in ("恢复使用", "停用：老人搬走 retired: 老人搬走", "address sos-1 → sos-7F", "supervision_s — → 900"):
        assert expected in life
    assert "did you mean sos-1?" in run("devices", "retire", "sos-2", "--why", "x", code=1)


def test_a_device_is_told_apart_by_what_rules_may_know(run: Run, engine: sa.Engine) -> None:
    run("devices", "add", "--kind", "concentrator", "--id", "hub-1", "--place", "b3")
    run("devices", "change", "sos-1", "--via", "hub-1", "--attribute", "role=bedside", "--attribute", "floor=5")
    assert (device(engine, "sos-1").via, device(engine, "sos-1").attributes) == (
        "hub-1",
        {"role": "bedside", "floor": 5.0},
    )
    shown = run("devices", "show", "sos-1")
    assert "floor=5; role=bedside" in shown
    assert "hub-1" in shown
    run("devices", "change", "sos-1", "--attribute", "floor=", "--attribute", "spare=true")
    assert device(engine, "sos-1").attributes == {"role": "bedside", "spare": True}
    run("devices", "change", "sos-1", "--via", "")
    assert device(engine, "sos-1").via is None
    assert "expected NAME=VALUE" in run("devices", "change", "sos-1", "--attribute", "bedside", code=1)
    refused = run("devices", "change", "sos-1", "--attribute", "Role=x", code=1)
    assert "attributes.Role: 名称写法不对 expected a name" in refused


def test_attributes_given_at_the_gateway_are_shown_by_apply(run: Run, engine: sa.Engine, files: Path) -> None:
    desk.carry_out(engine, desk.describe("places", "b3-501", {"armed": True}), "operator:wang", NOW)
    kept = run("apply", files, "--yes")
    assert "= places b3-501: 在网关上修改过，保留 made at the gateway, kept (不同 differs)" in kept
    assert "attributes.armed: 文件 file —, 保留 kept true" in kept
    assert "写入文件 into the files: attributes: {…}" in kept


def test_care_begins_is_listed_and_ends(run: Run, engine: sa.Engine) -> None:
    assert "none is being worked on" in run("devices", "care")
    assert "测试中 test" in run("devices", "test", "sos-1", "--for", "30m", "--why", "年检")
    assert "年检" in run("devices", "care")
    assert "测试 test" in run("devices", "show", "sos-1")
    assert "online (test)" in run("devices", "list") or "never seen (test)" in run("devices", "list")
    assert "已结束 ended (test)" in run("devices", "care", "--end", "sos-1")
    run("devices", "care", "--end", "sos-1", code=1)
    assert "maintenance" in run("devices", "maintenance", "sos-1", "--why", "换电池")
    with engine.begin() as connection:
        (running,) = care.running(connection, SystemClock().now_ms()).values()
    assert (running.mode, running.reason, running.until_ms - running.since_ms) == ("maintenance", "换电池", 3_600_000)


def test_care_that_is_too_long_or_of_nobody_is_refused(run: Run) -> None:
    assert "1 s to 2 h for test" in run("devices", "test", "sos-1", "--for", "3h", "--why", "x", code=2)
    assert "a time such as" in run("devices", "test", "sos-1", "--for", "soon", "--why", "x", code=2)
    assert "there is no device" in run("devices", "test", "sos-9", "--why", "x", code=1)
    run("devices", "retire", "sos-1", "--why", "x")
    assert "nobody listens" in run("devices", "maintenance", "sos-1", "--why", "x", code=1)


def test_a_clock_that_is_behind_is_warned_of(run: Run, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        row = {"device": "sos-1", "last_seen_ms": NOW, "online": True, "clock_offset_ms": -95_000}
        connection.execute(device_states.insert(), row)
    assert "95 s behind" in run("devices", "test", "sos-1", "--why", "x")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("1h", 3600), ("1h30m", 5400), ("2H", 7200), ("5min", 300)]
)
def test_spans_of_time(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
    for wrong in ("", "1", "h", "-1h", "1d", "1.5h"):
        with pytest.raises(ValueError, match="expected a time"):
            seconds_of(wrong)


def test_a_table_is_shown_first_and_then_imported(run: Run, engine: sa.Engine, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    table.write_bytes("编号,种类,地点\nsmoke-1,smoke,b3\nsos-1,sos_button,b3\n".encode("gbk"))
    plan = run("devices", "import", table)
    assert "+ smoke-1 smoke b3" in plan
    assert "~ sos-1: place b3-501 → b3" in plan
    assert "2 行 rows: 新增 new 1, 修改 changed 1, 不变 unchanged 0" in plan
    assert "--yes" in plan
    assert store.revision(engine) == 1
    assert "已导入 imported, revision 2" in run("devices", "import", table, "--yes")
    exported = tmp_path / "out.csv"
    exported.write_text(run("devices", "export"), encoding="utf-8")
    again = run("devices", "import", exported, "--yes")
    assert "新增 new 0, 修改 changed 0, 不变 unchanged 2" in again
    assert store.revision(engine) == 2


def test_a_bad_table_names_every_row(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("id,kind,place\na,smok,b3\nb,smoke,b4\n", encoding="utf-8")
    said = run("devices", "import", table, "--yes", code=1)
    assert '第 2 行 row 2, kind "smok": 未知的设备种类 unknown kind' in said
    assert '第 3 行 row 3, place "b4": 引用不存在 there is no place b4' in said
    assert "2 处错误，未导入" in said


def test_what_was_made_here_goes_into_the_files(run: Run, engine: sa.Engine, files: Path) -> None:
    run("devices", "add", "--kind", "sos_button", "--id", "sos-2", "--place", "b3-501")
    run("devices", "change", "sos-1", "--supervision", "900")
    kept = run("apply", files, "--yes")
    assert "= devices sos-2: 在网关上修改过，保留 made at the gateway, kept (不在文件中 in no file)" in kept
    assert "supervision_s: 文件 file —, 保留 kept 900" in kept
    text = run("devices", "export", "--yaml", "--made-here")
    assert yaml.safe_load(text)["devices"] == [
        {"id": "sos-1", "kind": "sos_button", "place": "b3-501", "resident": "li", "supervision_s": 900},
        {"id": "sos-2", "kind": "sos_button", "place": "b3-501", "resident": "li"},
    ]
    more = files.parent / "more.yaml"
    before = more.read_text(encoding="utf-8")
    more.write_text(before[: before.index("devices:")] + text, encoding="utf-8")
    assert "2 项 entries: 文件已写明" in run("apply", files, "--yes")
    more.write_text(before, encoding="utf-8")
    assert "devices ~1 -1" in run("apply", files, "--yes"), "they go by the files again"


def test_the_files_word_is_taken_where_that_is_wanted(run: Run, engine: sa.Engine, files: Path) -> None:
    run("devices", "add", "--kind", "smoke", "--id", "smoke-1", "--place", "b3-501")
    more = files.parent / "more.yaml"
    text = more.read_text(encoding="utf-8")
    for gone in ("  - {id: b3-501", "  - {id: sos-1"):
        start = text.index(gone)
        text = text[:start] + text[text.index("\n", start) + 1 :]
    start = text.index("residents:")
    text = text[:start] + text[text.index("bridges:") :].replace("devices:\n", "devices: []\n")
    more.write_text(text, encoding="utf-8")
    said = run("apply", files, "--yes", code=1)
    assert "smoke-1: place: 引用不存在 there is no place b3-501" in said
    assert "--take-file" in said
    run("apply", files, "--yes", "--take-file")
    community = store.load(engine)
    assert community is not None
    assert community.devices == ()


def test_firmware_is_counted_and_what_is_behind_is_named(run: Run, engine: sa.Engine) -> None:
    run("devices", "add", "--kind", "sos_button", "--id", "sos-2", "--place", "b3-501")
    rows = [
        {"device": name, "last_seen_ms": NOW, "online": True, "firmware": version, "model": "AJ-S"}
        for name, version in (("sos-1", "1.9"), ("sos-2", "1.10"))
    ]
    with engine.begin() as connection:
        connection.execute(device_states.insert(), rows)
    lines = [line for line in run("devices", "firmware").splitlines() if "AJ-S" in line]
    assert ["1.10" in lines[0], "1.9" in lines[1], "较旧 older" in lines[1]] == [True] * 3
    outdated = run("devices", "firmware", "--outdated")
    assert "sos-1" in outdated
    assert "1.10" not in outdated


def test_batteries_by_the_date_of_their_change(run: Run, data: Path) -> None:
    async def fill() -> None:
        telemetry = EmbeddedStore(data / "telemetry.db", SystemClock())
        await telemetry.write(
            [
                Observation(
                    message_id=f"sos-1:1:{n}",
                    device="sos-1",
                    kind="sos_button",
                    lane=Lane.ROUTINE,
                    observed_at_ms=NOW - (39 - n) * DAY,
                    received_at_ms=NOW - (39 - n) * DAY,
                    metrics={"battery": 90.0 - n, "rssi": -60.0},
                )
                for n in range(40)
            ]
        )
        await telemetry.close()

    asyncio.run(fill())
    (line,) = [line for line in run("devices", "batteries").splitlines() if "sos-1" in line]
    assert "52 %" in line
    assert "下降 falling" in line
    assert "-60 dBm" in line
    assert "sos-1" in run("devices", "batteries", "--within", "60", "--kind", "sos_button", "--place", "b3")
    assert "sos-1" not in run("devices", "batteries", "--within", "20")


def test_a_key_is_made_for_those_only_who_can_push_and_with_the_path_that_takes_it(run: Run, engine: sa.Engine) -> None:
    said = run("devices", "key", "sos-1")
    key = said.splitlines()[0]
    assert f"/push/sos-1/event?key={key}" in said
    stranger(engine)
    run("devices", "adopt", "z2m", "0x00158d0001a2b3c4", "--place", "b3-501")
    for sender in ("contact-b3-501", "z2m"):
        assert "does not push over HTTP" in run("devices", "key", sender, code=1), sender
    assert "there is no device or bridge" in run("devices", "key", "nobody", code=1)


def test_ids_and_addresses_are_whole_however_narrow_the_terminal(run: Run, engine: sa.Engine, data: Path) -> None:
    stranger(engine)
    narrow = {"COLUMNS": "60"}
    found = CliRunner().invoke(app, ["devices", "candidates", "--data-dir", str(data)], env=narrow)
    assert "0x00158d0001a2b3c4" in found.output
    run("devices", "adopt", "z2m", "0x00158d0001a2b3c4", "--place", "b3-501", "--id", "door-of-the-flat-501")
    found = CliRunner().invoke(app, ["devices", "list", "--data-dir", str(data)], env=narrow)
    assert "door-of-the-flat-501" in found.output
