"""The journal's word against SIGKILL and against a disk that ends, in processes of their own."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from devices.observation import Lane
from gateway.clock import SystemClock
from gateway.journal.entry import Outcome
from gateway.journal.journal import Journal
from gateway.settings import JournalSettings

ROOT = Path(__file__).parents[2]
KILLS = 15


def child(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.journal_child", *arguments], cwd=ROOT, stdout=subprocess.PIPE
    )


def killed_after_a_while(directory: Path, round_: int, after_s: float) -> list[str]:
    """Lines that the child wrote between its start and its death."""
    process = child("crash", str(directory), str(round_))
    assert process.stdout is not None
    with process.stdout as pipe:
        assert pipe.readline() == b"started -\n"
        time.sleep(after_s)  # the random instant itself, not a condition to wait for
        process.kill()
        lines = pipe.read().decode().splitlines()
    process.wait(10)
    return lines


def test_what_was_acknowledged_survives_kill_9_exactly_once(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    chance = random.Random(1)
    answers: list[tuple[str, str]] = []
    for round_ in range(KILLS):
        lines = killed_after_a_while(directory, round_, chance.uniform(0.0, 0.25))
        answers += [(outcome, name) for outcome, _, name in (line.partition(" ") for line in lines)]

    outcomes = Counter(outcome for outcome, _ in answers)
    assert outcomes[Outcome.STORED] > 1000
    assert outcomes[Outcome.DUPLICATE] > 0
    assert outcomes[Outcome.REFUSED] == 0

    for file in ("urgent.db", "routine.db", "quarantine.db"):
        connection = sqlite3.connect(directory / file)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()

    # What the child wrote is dated long ago: nothing of it is to be trimmed while it is counted.
    journal = Journal(directory, JournalSettings(keep_hours=1_000_000), SystemClock())
    journal.start()
    try:
        found: Counter[str] = Counter()
        for lane in Lane:
            entries = journal.read(lane, 0, 10_000_000)
            assert [entry.position for entry in entries] == sorted({entry.position for entry in entries})
            found.update(entry.observation.message_id for entry in entries)
            assert journal.stats().lanes[lane].totals.rows == len(entries)
        acknowledged = {name for outcome, name in answers if outcome in (Outcome.STORED, Outcome.DUPLICATE)}
        assert {name: found[name] for name in acknowledged} == dict.fromkeys(acknowledged, 1)
        assert set(found.values()) == {1}
        assert journal.stats().quarantine.total >= outcomes[Outcome.QUARANTINED] > 0
    finally:
        journal.close()


def test_when_the_disk_ends_nothing_is_acknowledged_and_writing_resumes(tmp_path: Path) -> None:
    process = child("full", str(tmp_path / "journal"))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    report = json.loads(output)
    assert len(report["stored"]) > 20
    assert len(report["refused"]) > 20
    (trouble,) = report["troubles"]
    assert "journal urgent:" in trouble
    assert "urgent.db cannot be written" in trouble
    assert report["afterwards"] == "stored"
    assert report["ids"] == [f"sos-1:1:{n}" for n in [*report["stored"], 1000]]
