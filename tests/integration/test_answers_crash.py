"""A reply and kill -9: a real process dies between writing an answer down, carrying it out and saying so. The modem
offers the SMS again; it has been carried out exactly once, and the person is answered."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.answers import rows
from gateway.state.db import open_database
from tests.support.answer_child import POINTS
from tests.support.answering import answering
from tests.support.eventually import PATIENCE

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def child(database: str, text: str, point: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.answer_child", database, "grid", text, "modem-1", point],
        cwd=ROOT,
        capture_output=True,
        timeout=60 * PATIENCE,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()[-2000:]
    return done.returncode, done.stdout.decode().strip()


@pytest.mark.parametrize("point", sorted(POINTS))
async def test_carried_out_once_whenever_it_dies(tmp_path: Path, point: str) -> None:
    database = f"sqlite:///{tmp_path / 'state.db'}"
    engine = open_database(database)
    async with answering(engine, tmp_path) as room:
        room.says("sos-1", "press")
        await room.goes_out()
        case_id = room.cases()[0].id
    # 收到 is written into the timeline each time it is carried out: a second time would show.
    assert child(database, "收到", point)[0] == -signal.SIGKILL
    before = [kept.result for kept in rows.answers_of(engine)]
    assert before == (["acted"] if point == "settled" else [None])
    code, said = child(database, "收到", "")
    assert code == 0 and "请回复 1" in said
    assert [kept.result for kept in rows.answers_of(engine)] == ["acted"]
    assert room.timeline(case_id).count("note") == 1
    engine.dispose()
