"""Small histories for back-tests, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from gateway.backtest.job import Backtest
from gateway.backtest.model import Alarm, Note, Result
from gateway.backtest.plan import Plan
from gateway.backtest.sources.history import Findings, Within
from gateway.registry.load import read_rules
from gateway.rules.document import RuleDocument
from tests.support.journal import open_room

BEIJING = ZoneInfo("Asia/Shanghai")
KIND_OF = {"sos": "sos_button", "vitals": "vitals_monitor", "smoke": "smoke", "contact": "contact", "kiosk": "kiosk"}


LOW: dict[str, Any] = {
    "id": "low",
    "version": 1,
    "zh": "血氧偏低",
    "en": "SpO2 low",
    "form": "threshold",
    "kinds": ["vitals_monitor"],
    "subject": "resident",
    "when": "spo2 < 90",
    "ignore": "spo2 == 0",
    "readings": {"count": 2, "of": 3},
    "clear": "spo2 >= 92",
    "raises": {"type": "vitals_abnormal", "severity": "urgent", "ladder": "urgent"},
}
"""A rule whose alarms one can work out by hand."""


def at(text: str) -> int:
    """``10-01 08:30`` or ``10-01 08:30:15`` of 2026 in Beijing."""
    return round(datetime.fromisoformat(f"2026-{text}").replace(tzinfo=BEIJING).timestamp() * 1000)


def said(when: str, device: str, event: str | None = None, *, late_s: float = 0, **metrics: float) -> Observation:
    """What ``device`` (``vitals-1``) said at ``when``."""
    at_ms = at(when)
    said.count += 1  # type: ignore[attr-defined]  # ids in the order in which a test says things
    return Observation(
        message_id=f"{device}:1:{said.count}",  # type: ignore[attr-defined]  # the same
        device=device,
        kind=KINDS[KIND_OF[device.partition("-")[0]]].key,
        lane=Lane.ROUTINE if event is None else Lane.URGENT,
        observed_at_ms=at_ms,
        received_at_ms=at_ms + round(late_s * 1000),
        event=event,
        metrics=metrics,
    )


said.count = 0  # type: ignore[attr-defined]  # the same


def rules(*documents: dict[str, Any] | str) -> tuple[RuleDocument, ...]:
    """Rules as one writes them; a text is the id of one in the library."""
    written = [{"use": one} if isinstance(one, str) else one for one in documents]
    found, problems = read_rules("rules.yaml", yaml.safe_dump(written, allow_unicode=True).encode())
    assert not problems, problems
    return found


class Told:
    """A `History` that stands in a list."""

    name = "told"
    share_read = None

    def __init__(self, observations: Iterable[Observation]) -> None:
        self._observations = list(observations)
        self.findings = Findings()

    def observations(self) -> Iterator[Observation]:
        return iter(self._observations)

    def notes(self) -> list[Note]:
        return []


def backtested(history: Sequence[Observation], *documents: dict[str, Any] | str, **plan: Any) -> Result:
    """A back-test of rules over a history; ``until`` as in `at`."""
    until = plan.pop("until", None)
    within = Within(None, None if until is None else at(until))
    return Backtest(Plan(rules=rules(*documents), history=Told(history), within=within, **plan)).run()


def brief(alarms: Iterable[Alarm]) -> list[tuple[str, str, str, str, int]]:
    """(rule, subject, raised, ended, repeats); times as ``10-01 08:30:00``."""
    return [
        (
            one.rule,
            one.subject,
            clock(one.raised_at_ms),
            one.end if one.ended_at_ms is None else clock(one.ended_at_ms),
            one.repeats,
        )
        for one in alarms
    ]


def clock(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, BEIJING).strftime("%m-%d %H:%M:%S")


def journal_of(directory: Path, history: Iterable[Observation]) -> Path:
    """A journal that holds ``history``, as a gateway writes it; returns its directory."""
    with open_room(directory / "journal") as room:
        room.send_all(list(history))
    return directory / "journal"
