"""The heartbeat to outside: over real HTTP, on a clock that the test moves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.itself.dead_man import DeadMan
from gateway.itself.wellness import Reason
from gateway.settings import DeadManSettings, Secrets
from tests.support.dead_man import WatcherOutside
from tests.support.journal import HandClock

SICK = Reason("journal", "磁盘已满", "the disk is full")


class Body:
    """Organs in the test's hand."""

    def __init__(self) -> None:
        self.sick: list[Reason] = []
        self.weak: list[str] = []
        self.proofs = 0
        self.hangs: threading.Event | None = None

    def prove(self) -> None:
        self.proofs += 1

    def reasons(self) -> list[Reason]:
        if self.hangs is not None:
            self.hangs.wait(30)
        return list(self.sick)

    def degraded(self) -> list[str]:
        return list(self.weak)


class Heart:
    def __init__(self, secrets: Path, url: str, **settings: object) -> None:
        self.body = Body()
        self.record: dict[str, object] = {}
        self.steady = 0
        self.clock = HandClock()
        self.man = DeadMan(
            DeadManSettings.model_validate({"url": url, **settings}),
            Secrets(secrets),
            self.body,
            "tuanjiehu",
            "anju-gateway",
            self.clock,
            lambda: self.steady,
            lambda: self.record,
        )

    async def after(self, seconds: int) -> None:
        """Time passes, with a look every five seconds."""
        for _ in range(seconds // 5):
            self.steady += 5_000
            self.clock.at += 5_000
            await self.man.look()


@pytest.fixture
def outside() -> Iterator[WatcherOutside]:
    with WatcherOutside() as outside:
        yield outside


async def test_a_well_gateway_is_heard_every_minute(tmp_path: Path, outside: WatcherOutside) -> None:
    heart = Heart(tmp_path, outside.url + "/ping")
    assert heart.man.part().state == "ok" and heart.man.silent_s is None
    await heart.after(10)
    assert outside.beats == [], "connections are being made"
    await heart.after(600)
    assert len(outside.beats) == 10
    beat = outside.beats[0]
    assert (beat.method, beat.path, beat.headers["Content-Type"]) == ("POST", "/ping", "application/json")
    assert {**beat.document, "at": "", "version": ""} == {
        "community": "tuanjiehu", "gateway": "anju-gateway", "at": "", "version": "", "state": "ok", "degraded": []
    }  # fmt: skip
    assert beat.document["version"] and beat.document["at"].endswith("+00:00")
    assert "X-Anju-Signature" not in beat.headers
    assert heart.body.proofs > 10, "each beat had its own proof"
    heart.body.weak = ["store"]
    await heart.after(60)
    assert outside.beats[-1].document["state"] == "degraded" and outside.beats[-1].document["degraded"] == ["store"]
    assert (heart.man.delivered, heart.man.failed) == (11, 0)
    heart.record = {"anchor": 3, "at_ms": 5, "digest": "ab"}
    await heart.after(60)
    assert outside.beats.pop().document["record"] == {"anchor": 3, "at_ms": 5, "digest": "ab"}
    assert "12 heartbeats" in heart.man.part().en


async def test_an_ill_gateway_is_silent_says_why_and_goes_on_within_seconds_of_being_well(
    tmp_path: Path, outside: WatcherOutside, caplog: pytest.LogCaptureFixture
) -> None:
    heart = Heart(tmp_path, outside.url)
    await heart.after(60)
    heard = len(outside.beats)
    heart.body.sick = [SICK]
    with caplog.at_level(logging.WARNING):
        await heart.after(600)
    assert len(outside.beats) == heard
    part = heart.man.part()
    assert (part.state, part.critical) == ("failed", False)
    assert "journal: the disk is full" in part.en and "磁盘已满" in part.zh
    assert heart.man.withheld == (SICK,)
    assert [record.levelname for record in caplog.records] == ["ERROR"], "said once, not every five seconds"
    assert "the disk is full" in caplog.text
    heart.body.sick = []
    with caplog.at_level(logging.WARNING):
        await heart.after(5)
    assert len(outside.beats) == heard + 1
    assert heart.man.part().state == "ok" and "well again" in caplog.text


async def test_parts_that_hang_withhold_it_and_hold_nothing_up(
    tmp_path: Path, outside: WatcherOutside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.itself.dead_man.ASKED_S", 0.05)
    heart = Heart(tmp_path, outside.url)
    heart.body.hangs = threading.Event()
    asking = threading.active_count()
    await heart.after(60)
    assert outside.beats == [] and heart.man.withheld[0].part == "parts"
    assert threading.active_count() <= asking + 1, "asked once"
    heart.body.hangs.set()
    heart.body.hangs = None
    monkeypatch.setattr("gateway.itself.dead_man.ASKED_S", 10.0)
    await heart.after(5)
    assert outside.beats == [], "an answer of a minute ago proves nothing"
    await heart.after(5)
    assert len(outside.beats) == 1


async def test_what_cannot_be_asked_is_not_well(
    tmp_path: Path, outside: WatcherOutside, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = Heart(tmp_path, outside.url)
    monkeypatch.setattr(heart.body, "reasons", lambda: [][0])
    await heart.after(60)
    assert outside.beats == [] and "cannot be asked" in heart.man.part().en


async def test_a_watcher_that_is_away_is_tried_again_soon_and_then_seldom(
    tmp_path: Path, outside: WatcherOutside, caplog: pytest.LogCaptureFixture
) -> None:
    heart = Heart(tmp_path, outside.url)
    outside.status = 503
    with caplog.at_level(logging.WARNING):
        await heart.after(600)
    assert 8 <= len(outside.beats) <= 20
    assert heart.man.failed == len(outside.beats) and heart.man.delivered == 0
    assert heart.man.part().state == "degraded" and "HTTP 503" in heart.man.part().en
    assert len(caplog.records) == 1
    outside.status = 200
    await heart.after(60)
    assert heart.man.delivered >= 1 and heart.man.part().state == "ok"
    gone = Heart(tmp_path, "http://127.0.0.1:1/x")
    await gone.after(60)
    assert "cannot connect" in gone.man.part().en


async def test_why_is_told_where_somebody_wants_to_know(tmp_path: Path, outside: WatcherOutside) -> None:
    heart = Heart(tmp_path, outside.url + "/u", fail_url=outside.url + "/u/fail")
    heart.body.sick = [SICK]
    await heart.after(130)
    assert {beat.path for beat in outside.beats} == {"/u/fail"} and 2 <= len(outside.beats) <= 3
    told = outside.beats[0].document
    assert told["state"] == "failed" and told["why"] == [
        {"part": "journal", "zh": "磁盘已满", "en": "the disk is full"}
    ]


async def test_secrets_stand_in_the_secrets_directory_and_in_no_text(tmp_path: Path, outside: WatcherOutside) -> None:
    heart = Heart(tmp_path, outside.url + "/${DEAD_MAN_ID}", secret="DEAD_MAN_KEY")
    await heart.after(60)
    assert outside.beats == [] and "DEAD_MAN_ID is missing" in heart.man.part().en
    (tmp_path / "DEAD_MAN_ID").write_text("5f/3c")
    (tmp_path / "DEAD_MAN_KEY").write_text("a key")
    await heart.after(60)
    assert outside.beats[-1].path == "/5f%2F3c" and outside.beats[-1].signed_by("a key")


async def test_a_plain_ping_has_no_body(tmp_path: Path, outside: WatcherOutside) -> None:
    heart = Heart(tmp_path, outside.url, method="GET", every_s=10, secret="NOT_NEEDED")
    await heart.after(60)
    assert len(outside.beats) >= 4 and {(beat.method, beat.body) for beat in outside.beats} == {("GET", b"")}


@pytest.mark.parametrize("wrong", [{"url": "hc-ping.com/x"}, {"every_s": 1}, {"method": "PUT"}, {"urls": "x"}])
def test_settings_that_cannot_be_meant(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DeadManSettings.model_validate(wrong)
