"""What `anju ladder simulate` shows: the machine's own course, holes, people nobody reaches, quiet hours, answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from gateway.alarms import Severity
from gateway.cases.directory import Quiet
from gateway.cases.simulate import Run, simulate
from gateway.cli import app
from tests.support.homes import community, write_community
from tests.support.town import CLOCK, SERVICE, START, Story, Town, change, person

RUNNER = CliRunner()
AT = "2026-02-17T02:30"


def course(run: Run) -> list[tuple[float, str, str]]:
    return [(one.after_s, one.rung, "、".join(one.people)) for one in run.happenings if one.what == "told" and one.rung]


def test_it_is_the_machine_itself() -> None:
    played = simulate(ladder=CLOCK, change=change(), directory=Town())
    story = Story(Town(), CLOCK)
    story.forward(239)  # then everybody is reminded, and this story has confirmed no delivery
    happened = [one for one in played.runs[0].happenings if one.what == "told" and one.after_s < 240]
    told = [(one.purpose, one.people[0].lower()) for one in happened]
    assert told == [(send.purpose.value, send.person) for send in story.sent if send.person]
    assert played.line_after_s == 180
    assert played.reached[:2] == ("Desk", "Wang") and not played.reaches_nobody


def test_every_answer_has_its_course() -> None:
    played = simulate(ladder=CLOCK, change=change(), directory=Town())
    runs = {run.id: run for run in played.runs}
    assert set(runs) == {"nobody", "cancel", "again", "veto", *(f"accepts-{number}" for number in range(1, 7))}
    first = runs["accepts-1"]
    assert first.zh.startswith("Desk（control-room）")
    told = {rung for at_s, rung, _ in course(first) if at_s < 190}
    assert told == {"control-room", "first"}, "whoever has it silences the ladder, not the family's first"
    assert any(one.what == "lease_expired" and one.after_s == 190 for one in first.happenings)
    family = next(run for run in played.runs if run.zh.startswith("Daughter"))
    assert any(one.what == "line" and one.after_s == 180 for one in family.happenings), "a family is no owner"
    assert not any(one.what == "line" for one in runs["veto"].happenings)
    assert any(one.what == "line" and one.after_s == 20 for one in runs["again"].happenings)
    assert [one.what for one in runs["cancel"].happenings][-3:] == ["cancelled", "told", "device"]


def test_holes_and_people_nobody_reaches_are_named() -> None:
    town = Town(family=[person("daughter").model_copy(update={"addresses": ()})])
    town.roles["guard"] = []
    played = simulate(ladder=CLOCK, change=change(), directory=town, answers=False)
    assert set(played.empty) == {"guards", "first", "further"}
    assert played.unreachable == ("Daughter",)


def test_a_ladder_that_reaches_nobody_says_so() -> None:
    ladder = CLOCK.model_copy(update={"fallback": None})
    nobody = Town(roles={}, family=[])
    assert simulate(ladder=ladder, change=change(), directory=nobody, answers=False).reaches_nobody
    assert not simulate(ladder=CLOCK, change=change(), directory=nobody, answers=False).reaches_nobody, "the fallback"
    quiet = simulate(ladder=SERVICE, change=change(ladder="service"), directory=nobody, answers=False)
    assert not quiet.reaches_nobody and quiet.reached == (), "no life is at stake"


def test_quiet_hours_show_with_their_end() -> None:
    town = Town(quiet_hours={"wang": Quiet(until_ms=START + 3600_000)})
    asked = change(ladder="service", type_="service_request", severity=Severity.SERVICE)
    played = simulate(ladder=SERVICE, change=asked, directory=town, for_s=7200, answers=False)
    held = next(one for one in played.runs[0].happenings if one.what == "quiet_held")
    assert held.detail == "+3600 s" and held.people == ("Wang",)
    assert (3600.0, "grid", "Wang") in course(played.runs[0])


# the command


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    return write_community(tmp_path / "community.yaml", community(2))


def run(*arguments: str) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["ladder", "simulate", *arguments], env={"COLUMNS": "160"})
    return done.exit_code, done.output


def test_the_command_prints_who_is_told_when(yard: Path) -> None:
    code, said = run("--file", str(yard), "--resident", "r-1", "--at", AT)
    assert code == 0, said
    assert "2026-02-17 02:30" in said and "女儿1" in said and "值班员" in said
    assert (
        "无人应答 nobody answers" in said
        and "值班员（值班室、网格员 desk-and-grid）10 秒后受理" in said
        and "消息" in said
    )


def test_the_command_gives_json(yard: Path) -> None:
    code, said = run("--file", str(yard), "--device", "sos-2", "--at", AT, "--json", "--no-answers")
    played = json.loads(said)
    assert code == 0 and played["reached"] == ["值班员", "网格员", "女儿2"]
    assert played["line_after_s"] == 2.0 and played["at_ms"] == 1_771_266_600_000


def test_the_command_fails_where_a_life_safety_ladder_reaches_nobody(tmp_path: Path) -> None:
    document = community(1, rungs=({"id": "family", "after_s": 0, "notify": [{"family": True}]},))
    document["residents"][0]["family"] = []
    code, said = run("--file", str(write_community(tmp_path / "c.yaml", document)), "--resident", "r-1")
    assert code == 1 and "通知不到任何人" in said


def test_the_command_knows_rosters_at_the_instant(yard: Path, tmp_path: Path) -> None:
    document = yaml.safe_load(yard.read_text(encoding="utf-8"))
    duty = document["rosters"][0]["duties"][1]
    assert duty["role"] == "grid_staff"
    del duty["people"]
    duty["shifts"] = [{"hours": "08:00-20:00", "people": ["grid"]}]
    path = str(write_community(tmp_path / "day.yaml", document))
    assert (
        "网格员"
        in json.loads(run("--file", path, "--resident", "r-1", "--at", "2026-02-17T10:00", "--json")[1])["reached"]
    )
    assert "网格员" not in json.loads(run("--file", path, "--resident", "r-1", "--at", AT, "--json")[1])["reached"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--resident", "r-9"), "there is no resident r-9"),
        (("--device", "sos-9"), "there is no device sos-9"),
        (("--place", "door-9"), "there is no place door-9"),
        (("--resident", "r-1", "--type", "smok"), "there is no alarm type smok; did you mean smoke?"),
        (("--resident", "r-1", "--ladder", "life"), "there is no ladder life"),
        (("--type", "smoke"), "give a place, a resident or a device"),
        (("--resident", "r-1", "--at", "noon"), "expected a local time"),
    ],
)
def test_what_is_not_there_is_named(yard: Path, arguments: tuple[str, ...], said: str) -> None:
    code, output = run("--file", str(yard), *arguments)
    assert code == 2 and said in " ".join(output.split())
