"""The record of a case through its public doors: the chain, anchors, attachments, exports."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from PIL import Image
from pypdf import PdfReader
from typer.testing import CliRunner

from gateway.cases.chain import Line
from gateway.cases.effects import Write
from gateway.cli import app as cli
from gateway.decider import case_rows
from gateway.itself.figures import Figures
from gateway.record import anchors, chains, files
from gateway.record.audit import RecordAudit
from gateway.state import tables as t
from gateway.state.db import MIGRATIONS, open_database
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house

GB28181 = "11010500001310000272"
BEIJING = (39.922252, 116.456892)


def yard() -> dict[str, Any]:
    """The usual yard, with a pole and two cameras."""
    found = community(rungs=FAR_LINE)
    lat, lon = BEIJING
    found["places"][0]["position"] = {"lat": lat, "lon": lon, "datum": "WGS-84"}
    found["places"].append(
        {
            "id": "pole-0272",
            "level": "杆",
            "name": "0272号杆",
            "parent": found["places"][0]["id"],
            "position": {"lat": lat + 0.0002, "lon": lon, "datum": "WGS-84"},
        }
    )
    next(one for one in found["devices"] if one["id"] == "camera-1")["attributes"] = {"gb28181": GB28181}
    found["devices"] += [
        {"id": "cam-north", "kind": "camera", "place": "pole-0272", "attributes": {"bearing": 0}},
    ]
    return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, yard()) as house:
        yield house


def photo(form: str = "JPEG", *, gps: bool = False) -> bytes:
    image, out = Image.new("RGB", (320, 200), (200, 60, 40)), io.BytesIO()
    exif = Image.Exif()
    if gps:
        exif[0x8825] = {1: "N", 2: (39.0, 55.0, 20.1), 3: "E", 4: (116.0, 27.0, 24.8)}
    image.save(out, form, exif=exif)
    return out.getvalue()


def anju(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(arguments))
    return result.exit_code, result.output


def change(house: House, statement: str, **values: object) -> None:
    """Somebody with the database in hand."""
    with house.engine.begin() as connection:
        assert connection.execute(sa.text(statement), values).rowcount > 0


async def worked(house: House) -> dict[str, Any]:
    case = await house.press("sos-1")
    for action, more in (("acknowledge", {}), ("dispatch", {"to": "王师傅"}), ("note", {"reason": "门已打开"})):
        house.clock.at += 20_000
        assert (await house.act(case["id"], action, **more)).status_code == 200
    return case


# the chain


@pytest.mark.parametrize(
    ("statement", "fault", "seq"),
    [
        ("UPDATE timeline SET reason = 'never' WHERE what = 'note'", "changed", None),
        ("UPDATE timeline SET at_ms = at_ms - 1 WHERE what = 'acknowledged'", "changed", None),
        ("UPDATE timeline SET data = '{}' WHERE seq = 1", "changed", 1),
        ("DELETE FROM timeline WHERE seq = 2", "missing", 2),
        ("DELETE FROM timeline WHERE what = 'note'", "cut", None),
        ("UPDATE cases SET timeline_head = 'x'", "cut", None),
        ("UPDATE cases SET number = '2026-000099'", "changed", 1),
    ],
)
async def test_whatever_is_changed_in_the_database_shows(
    house: House, statement: str, fault: str, seq: int | None
) -> None:
    case = await worked(house)
    before = await house.get(f"/api/v1/cases/{case['id']}/verify")
    assert (before["whole"], before["before"]) == (True, 0)
    assert before["lines"] >= 5
    change(house, statement)
    after = await house.get(f"/api/v1/cases/{case['id']}/verify")
    assert (after["whole"], after["fault"]) == (False, fault)
    assert seq is None or after["seq"] == seq
    code, said = anju("cases", "verify", "--data-dir", str(house.context.settings.data_dir))
    assert code == 1 and "1 处不符" in said
    whole = await house.get("/api/v1/record/verify")
    assert (whole["whole"], whole["cases"], len(whole["broken"])) == (False, 1, 1)


async def test_a_chain_made_anew_does_not_fit_the_anchor_that_was_told_outside(house: House) -> None:
    case = await worked(house)
    audit = RecordAudit(house.engine, house.clock)
    assert audit.trouble() is None and audit.told_outside() == {}
    audit.look()
    told = audit.told_outside()
    assert audit.trouble() == "" and told["anchor"] == 1
    audit.look()
    assert audit.told_outside() == told, "one a day"
    # Cut the end off, and make the case fit it: the chain holds.
    with house.engine.begin() as connection:
        c = t.timeline.c
        kept = connection.execute(sa.select(t.timeline).where(c.case_id == case["id"], c.seq == 2)).one()
        connection.execute(sa.delete(t.timeline).where(c.case_id == case["id"], c.seq > 2))
        connection.execute(sa.update(t.cases).values(timeline_head=kept.hash, timeline_lines=2))
    assert (await house.get(f"/api/v1/cases/{case['id']}/verify"))["whole"]
    audit.look()
    assert "anchor 1" in (audit.trouble() or "")
    assert not (await house.get("/api/v1/record/verify"))["whole"]


async def test_anchors_chain_and_a_forged_one_shows(house: House) -> None:
    case = await worked(house)
    audit = RecordAudit(house.engine, house.clock)
    audit.look()
    first = audit.told_outside()
    house.clock.at += anchors.EVERY_MS
    audit.look()
    assert audit.told_outside() == first, "nothing has grown"
    assert (await house.act(case["id"], "note", reason="次日回访")).status_code == 200
    audit.look()
    assert audit.told_outside()["anchor"] == 2
    assert audit.trouble() == ""
    body = json.dumps([[case["id"], 1, "0" * 64]])
    change(house, "UPDATE anchors SET body = :body WHERE number = 1", body=body)
    audit.look()
    assert audit.trouble() == "anchor 1: what it covers was changed"


async def test_the_audit_says_what_is_broken_and_when_it_is_whole_again(house: House) -> None:
    case = await worked(house)
    audit = RecordAudit(house.engine, house.clock)
    assert "record_broken" not in Figures(house.organs, house.checkup, house.clock, audit.trouble).look().states
    audit.look()
    change(house, "UPDATE timeline SET actor = 'operator:other' WHERE what = 'note'")
    figures = Figures(house.organs, house.checkup, house.clock, audit.trouble)
    assert figures.look().states["record_broken"].holds is False
    audit.look()
    assert case["number"] in (audit.trouble() or "")
    broken = figures.look().states["record_broken"]
    assert broken.holds and case["number"] in broken.why, "which the rule gateway-record-broken tells people"
    change(house, "UPDATE timeline SET actor = 'operator:operator' WHERE what = 'note'")
    audit.look()
    assert audit.trouble() == ""


# attachments


@pytest.mark.parametrize(("form", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
async def test_a_photo_is_kept_as_it_is_and_noted_in_the_timeline(house: House, form: str, media_type: str) -> None:
    case = await house.press("sos-1")
    sent = photo(form, gps=form == "JPEG")
    url = f"/api/v1/cases/{case['number']}/attachments"
    answer = await house.client().post(url, files={"file": ("现场.txt", sent, "text/plain")})
    assert answer.status_code == 200, answer.text
    added = answer.json()
    assert (added["kind"], added["media_type"], added["bytes"]) == ("photo", media_type, len(sent))
    assert (added["width"], added["actor"], added["name"]) == (320, "operator:operator", "现场.txt")
    if form == "JPEG":
        assert added["position"] == {"lat": 39.9222500, "lon": 116.4568889, "datum": "WGS-84"}
    again = await house.client().post(url, files={"file": ("other.jpg", sent)})
    assert again.json()["id"] == added["id"]
    got = await house.client("reader").get(f"/api/v1/attachments/{added['id']}")
    assert (got.content, got.headers["content-type"]) == (sent, media_type)
    assert "sandbox" in got.headers["content-security-policy"]
    assert [one["id"] for one in await house.get(url)] == [added["id"]]
    detail = await house.get(f"/api/v1/cases/{case['id']}")
    (line,) = [line for line in detail["timeline"] if line["what"] == "attached"]
    assert (line["data"]["sha256"], line["zh"]) == (added["sha256"], "添加附件")
    assert (await house.get(f"/api/v1/cases/{case['id']}/verify"))["whole"]
    assert detail["case"]["version"] == case["version"], "a photo moves no case"
    # What was changed on the disk is not handed out.
    kept = house.context.settings.data_dir / "attachments" / added["sha256"][:2] / added["sha256"]
    kept.write_bytes(sent + b"x")
    changed = await house.client("reader").get(f"/api/v1/attachments/{added['id']}")
    assert (changed.status_code, changed.json()["code"]) == (409, "file_changed")
    kept.unlink()
    assert (await house.client("reader").get(f"/api/v1/attachments/{added['id']}")).json()["code"] == "file_lost"


async def test_a_voice_note_is_told_by_what_is_in_it(house: House) -> None:
    case = await house.press("sos-1")
    url = f"/api/v1/cases/{case['id']}/attachments"
    answer = await house.client().post(url, files={"file": ("a.jpg", b"#!AMR\n" + b"\x3c" * 400)})
    assert (answer.status_code, answer.json()["kind"], answer.json()["media_type"]) == (200, "voice", "audio/amr")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "empty"),
        (b"<script>alert(1)</script>", 422, "not_known"),
        (b"\xff\xd8\xff\xe0 no picture", 422, "damaged"),
        (photo()[:300], 422, "damaged"),
        (b"\xff\xd8\xff" + b"\0" * files.PHOTO_MOST, 413, "too_large"),
        (b"\xff\xd8\xff" + b"\0" * (files.PHOTO_MOST + 100_000), 413, "too_large"),
    ],
)
async def test_what_cannot_be_taken_is_refused_in_words(house: House, data: bytes, status: int, code: str) -> None:
    case = await house.press("sos-1")
    url = f"/api/v1/cases/{case['id']}/attachments"
    answer = await house.client().post(url, files={"file": ("photo.jpg", data)})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["zh"] and answer.json()["en"]
    assert await house.get(url) == []


async def test_a_full_disk_is_said_and_the_case_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    case = await house.press("sos-1")
    full = files.Files(house.context.settings.data_dir / "attachments", 2**60)
    monkeypatch.setattr("gateway.api.record.attachments.files_of", lambda _: full)
    url = f"/api/v1/cases/{case['id']}/attachments"
    answer = await house.client().post(url, files={"file": ("photo.jpg", photo())})
    assert (answer.status_code, answer.json()["code"]) == (503, "disk_full")
    assert not list((house.context.settings.data_dir / "attachments").glob("*/*"))
    assert (await house.act(case["id"], "acknowledge")).status_code == 200


async def test_only_who_may_act_adds_and_only_to_a_case_that_is_there(house: House) -> None:
    case = await house.press("sos-1")
    file = {"file": ("photo.jpg", photo())}
    reader = await house.client("reader").post(f"/api/v1/cases/{case['id']}/attachments", files=file)
    nowhere = await house.client().post("/api/v1/cases/2026-009999/attachments", files=file)
    assert (reader.status_code, nowhere.status_code) == (403, 404)
    assert (await house.client("reader").get("/api/v1/attachments/att-0000")).status_code == 404


async def test_a_clip_is_of_the_camera_that_sees_it(house: House) -> None:
    case = await house.press("sos-1")
    url = f"/api/v1/cases/{case['id']}/clips"
    added = (await house.client().post(url)).json()
    assert (added["kind"], added["camera"], added["gb28181"]) == ("clip", "camera-1", GB28181)
    raised = case["times"]["raised"]
    assert (added["from_ms"], added["until_ms"]) == (raised - 300_000, raised + 900_000)
    named = await house.client().post(url, json={"camera": "cam-north", "from_ms": raised, "until_ms": raised + 1000})
    assert (named.status_code, named.json()["camera"]) == (200, "cam-north")
    for wrong, code in (
        ({"camera": "sos-1"}, "no_such_camera"),
        ({"from_ms": raised, "until_ms": raised}, "clip_times"),
        ({"from_ms": raised, "until_ms": raised + 90_000_000}, "clip_times"),
    ):
        answer = await house.client().post(url, json=wrong)
        assert answer.status_code in (404, 422) and answer.json()["code"] == code
    got = await house.client("reader").get(f"/api/v1/attachments/{added['id']}")
    assert (got.status_code, got.json()["code"]) == (404, "no_file")


# exports


async def test_an_export_is_whole_and_verified_without_the_gateway(house: House, tmp_path: Path) -> None:
    case = await worked(house)
    url = f"/api/v1/cases/{case['id']}"
    assert (await house.client().post(f"{url}/attachments", files={"file": ("a.jpg", photo())})).status_code == 200
    RecordAudit(house.engine, house.clock).look()
    answer = await house.client("reader").get(f"{url}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="case-{case["number"]}.json"'
    document = answer.json()
    assert document["form"] == "anju-case-1" and document["anchor"]["number"] == 1
    assert document["about"]["type_zh"] == "紧急呼救" and document["said"] and document["alarms"]
    assert any("李秀兰" in one["body"] for one in document["said"])
    path = tmp_path / "export.json"
    path.write_bytes(answer.content)
    page = (Path(__file__).parents[2] / "docs/records.md").read_text(encoding="utf-8")
    program = re.search(r"```py\n(.+?)```", page, re.DOTALL)
    assert program is not None
    exec(program[1].replace("case-2026-000042.json", str(path)), {})  # another program, as the page has it
    code, said = anju("cases", "verify", "--file", str(path))
    assert code == 0 and "完整" in said and document["verdict"]["head"] in said.replace("\n", "")

    def forged(change: Any) -> tuple[int, str]:
        copy = json.loads(answer.content)
        change(copy)
        path.write_text(json.dumps(copy), encoding="utf-8")
        return anju("cases", "verify", "--file", str(path))

    assert forged(lambda one: one["timeline"][0].update(reason="other"))[0] == 1
    assert forged(lambda one: one["timeline"].pop())[0] == 1
    assert forged(lambda one: one["case"].update(number="2026-000077"))[0] == 1
    code, said = forged(lambda one: one["attachments"][0].update(sha256="0" * 64))
    assert code == 1 and "attachment" in said
    assert forged(lambda one: one.update(form="other"))[0] != 0
    assert forged(lambda one: one["timeline"][0].pop("hash"))[0] != 0
    assert (await house.client("reader").get("/api/v1/cases/2026-009999/export")).status_code == 404


async def test_the_pdf_says_who_was_told_and_embeds_its_font(house: House, tmp_path: Path) -> None:
    case = await worked(house)
    url = f"/api/v1/cases/{case['id']}"
    assert (await house.client().post(f"{url}/attachments", files={"file": ("现场.jpg", photo())})).status_code == 200
    assert (await house.client().post(f"{url}/clips")).status_code == 200
    answer = await house.client("reader").get(f"{url}/export", params={"format": "pdf"})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
    pdf = PdfReader(io.BytesIO(answer.content))
    text = "\n".join(page.extract_text() for page in pdf.pages).replace("\0", "")
    head = (await house.get(f"{url}/verify"))["head"]
    for said in (case["number"], "李秀兰", "紧急呼救", "门已打开", "王师傅", GB28181, "值班"):
        assert said in text, f"{said} stands in {text}"
    assert head in text.replace("\n", "")
    assert any(page.images for page in pdf.pages)
    fonts = [font.get_object() for page in pdf.pages for font in page["/Resources"]["/Font"].values()]
    descendants = [font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object() for font in fonts]
    assert descendants and all("/FontFile3" in one or "/FontFile2" in one for one in descendants)
    to = tmp_path / "out.pdf"
    arguments = ("cases", "export", case["number"], "--pdf", "--to", str(to))
    code, said = anju(*arguments, "--data-dir", str(house.context.settings.data_dir))
    assert code == 0 and str(to.name) in said.replace("\n", "")
    assert "王师傅" in "".join(page.extract_text() for page in PdfReader(to).pages).replace("\0", "")


async def test_lines_of_before_the_chain_are_chained_by_the_upgrade(tmp_path: Path) -> None:
    """A database of a version without a chain: nothing is lost, what is changed from now on shows, and it is said."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = sa.create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        connection.execute(
            sa.text(
                "INSERT INTO cases (id, number, stage, open, severity, opened_at_ms, version, body)"
                " VALUES ('2026-000001-abc', '2026-000001', 'closed', 0, 'urgent', 1, 2, '{}')"
            )
        )
        for seq, data in enumerate(('{"b": 1, "a": "急"}', "{}"), 1):
            connection.execute(
                sa.text(
                    "INSERT INTO timeline (case_id, seq, at_ms, actor, what, reason, data)"
                    " VALUES ('2026-000001-abc', :seq, 5, 'system', 'told', '', :data)"
                ),
                {"seq": seq, "data": data},
            )
        connection.commit()
    engine.dispose()
    engine = open_database(url)
    with engine.begin() as connection:
        (verdict,) = chains.verdicts(connection, limit=10)
        assert (verdict.whole, verdict.lines, verdict.before) == (True, 2, 2)
        case_rows.append(connection, "2026-000001-abc", [Write(actor="operator:a", what="note", reason="later")], 9)
    with engine.begin() as connection:
        (verdict,) = chains.verdicts(connection, limit=10)
        assert (verdict.whole, verdict.lines, verdict.before) == (True, 3, 2)
        connection.execute(sa.text("UPDATE timeline SET actor = 'x' WHERE seq = 1"))
        (verdict,) = chains.verdicts(connection, limit=10)
        assert (verdict.whole, verdict.seq) == (False, 1)
        connection.execute(sa.text("UPDATE timeline SET actor = 'system' WHERE seq = 1"))
        connection.execute(sa.text("UPDATE cases SET timeline_before = 3"))
        (verdict,) = chains.verdicts(connection, limit=10)
        assert not verdict.whole, "nobody can say that more was written before"
    engine.dispose()


async def test_a_merged_case_is_bound_to_the_other(house: House) -> None:
    first, second = await house.press("sos-1"), await house.press("sos-2")
    answer = await house.act(second["id"], "merge", reason="同一件事", into=first["number"])
    assert answer.status_code == 200, answer.text
    detail = await house.get(f"/api/v1/cases/{first['id']}")
    (line,) = [line for line in detail["timeline"] if line["what"] == "merged_in"]
    verdict = await house.get(f"/api/v1/cases/{second['id']}/verify")
    assert verdict["whole"] and (await house.get(f"/api/v1/cases/{first['id']}/verify"))["whole"]
    heads = [line.hash for line in await asyncio.to_thread(_lines, house, second["id"])]
    assert line["data"]["case_head"] in heads


def _lines(house: House, case_id: str) -> list[Line]:
    query = sa.select(t.timeline).where(t.timeline.c.case_id == case_id).order_by(t.timeline.c.seq)
    with house.engine.begin() as connection:
        return [chains.line_of(row) for row in connection.execute(query)]
