"""The back-test by itself: how many days of a large community go through a rule in a minute.

A journal in memory of homes that report every five minutes and press a key now and then; the rule is tried beside the
rules in force, as `anju backtest` does. Reading a journal from the disk is measured beside it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import town
from bench.path import Say
from bench.report import Figures
from devices.observation import Lane, Observation
from gateway.backtest.job import Backtest
from gateway.backtest.model import Note
from gateway.backtest.plan import Plan, in_force, tried, usual_outage_ms
from gateway.backtest.sources.history import Findings, History, Within
from gateway.backtest.sources.journal_source import JournalHistory
from gateway.clock import SystemClock
from gateway.journal.journal import Journal
from gateway.registry.directory import CommunityDirectory
from gateway.rules.document import RuleDocument
from gateway.rules.library import library_rules
from gateway.settings import JournalSettings

BASE_MS = 1_790_000_000_000
EVERY_S = 300
"""Each device says something so often."""


class Made:
    """A `History` that is made up as it is read: monitors in turn, and now and then a key."""

    name = "made up"
    share_read = None

    def __init__(self, homes: int, count: int) -> None:
        self._homes = homes
        self._count = count
        self.findings = Findings()

    def observations(self) -> Iterator[Observation]:
        homes, step_ms = self._homes, max(1, EVERY_S * 1000 // (2 * self._homes))
        for seq in range(self._count):
            home, at_ms = seq // 2 % homes, BASE_MS + seq * step_ms
            ill = (seq // 2 // homes) % 97 == home % 97
            vitals = {"pulse": 70.0, "spo2": 84.0 if ill else 97.0, "respiration": 16.0, "battery": 80.0}
            pressed = seq % 2 and seq % 99_991 == 0
            yield Observation(
                message_id=f"d{seq % (2 * homes)}:1:{seq}",
                device=town.button(home) if seq % 2 else town.monitor(home),
                kind="sos_button" if seq % 2 else "vitals_monitor",
                lane=Lane.URGENT if pressed else Lane.ROUTINE,
                observed_at_ms=at_ms,
                received_at_ms=at_ms + 3,
                event="press" if pressed else None,
                metrics={"battery": 80.0} if seq % 2 else vitals,
            )

    def notes(self) -> list[Note]:
        return []


def figures(devices: int, count: int, say: Say) -> list[Figures]:
    """Observations per second, and what that is in days of the community."""
    directory = CommunityDirectory(town.build(devices // 2, 1))
    library = library_rules()
    table = Figures(
        f"The back-test by itself: {devices:,} devices, a word each every {EVERY_S} s",
        ("tried", "observations/s", "days per minute"),
        notes=[
            "beside: also the rules in force of the same id or type, over the same history",
            "the journal: from the disk, both lanes merged",
        ],
    )

    def add(name: str, rate: float) -> None:
        days = rate * 60 / (devices * 86_400 / EVERY_S)
        table.add(name, f"{rate:,.0f}", f"{days:.1f}")

    for name, ids, compare in (
        ("spo2-low alone", ("spo2-low",), False),
        ("spo2-low beside", ("spo2-low",), True),
        ("device-silent alone", ("device-silent",), False),
        ("the whole library", tuple(library), False),
    ):
        say(name)
        rules = [library[id_] for id_ in ids]
        add(name, _rate(rules, directory, Made(devices // 2, count), compare=compare))
    say("spo2-low alone, from a journal")
    with tempfile.TemporaryDirectory(prefix="anju-bench-", dir=Path.cwd()) as folder:
        _write(Path(folder), Made(devices // 2, count))
        history = JournalHistory(Path(folder), Within(None, None))
        add("spo2-low alone, the journal", _rate([library["spo2-low"]], directory, history, compare=False))
    return [table]


def _rate(rules: list[RuleDocument], directory: CommunityDirectory, history: History, *, compare: bool) -> float:
    plan = Plan(
        rules=tried(rules),
        history=history,
        within=Within(None, None),
        directory=directory,
        current=in_force(rules, directory) if compare else (),
        outage_ms=usual_outage_ms(directory, None),
    )
    began = time.process_time()
    result = Backtest(plan).run()
    return result.observations / (time.process_time() - began)


def _write(directory: Path, history: History) -> None:
    journal = Journal(directory, JournalSettings(), SystemClock())
    journal.start()
    try:
        for number, observation in enumerate(history.observations(), 1):
            journal.submit(observation, lambda _: None)
            while not number % 4000 and journal.stats().lanes[Lane.ROUTINE].depth > 2000:
                time.sleep(0.002)
    finally:
        journal.close()
