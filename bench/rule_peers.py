"""Another rule engine for Python beside Anju's, over the same readings: three limits for each reading of a monitor.

What it does is less (no persistence, no states, no durable memory): a reading is matched against three conditions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

from pydantic import TypeAdapter

from devices.observation import Observation
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.forms import KnownDevice

LIMITS = ("spo2 < 90", "pulse >= 131", "pulse <= 40")


def peers(out: Callable[[str], object], history: Sequence[Observation], seconds: float) -> None:
    """Print readings per second, of the other one where it is installed."""
    readings = [one for one in history if one.kind == "vitals_monitor"]
    out("\nthree limits over readings of monitors, readings/s\n")
    out(f"  Anju, with persistence and memory   {_timed(_anju(readings), readings, seconds):>12,.0f}\n")
    if find_spec("rule_engine") is None:
        out("  rule-engine   not installed: pip install rule-engine\n")
    else:
        out(f"  rule-engine                         {_timed(_rule_engine(), readings, seconds):>12,.0f}\n")


def _timed(take: Callable[[Observation], object], readings: Sequence[Observation], seconds: float) -> float:
    done, started = 0, time.process_time()
    while (elapsed := time.process_time() - started) < seconds:
        for one in readings:
            take(one)
        done += len(readings)
    return done / elapsed


def _anju(readings: Sequence[Observation]) -> Callable[[Observation], object]:
    rules = [_rule(f"limit-{number}", text) for number, text in enumerate(LIMITS)]
    devices = {one.device: KnownDevice(one.device, one.kind) for one in readings}
    engine = Engine(rules, devices.get, {})
    now_ms = readings[-1].received_at_ms
    return lambda one: engine.observe(one, now_ms)


def _rule(id_: str, when: str) -> RuleDocument:
    return TypeAdapter[RuleDocument](RuleDocument).validate_python(
        {
            "id": id_,
            "version": 1,
            "zh": "限值",
            "en": "limit",
            "form": "threshold",
            "kinds": ["vitals_monitor"],
            "when": when,
            "readings": {"count": 2, "of": 3},
            "raises": {"type": "vitals_abnormal", "severity": "urgent", "ladder": "urgent"},
        }
    )


def _rule_engine() -> Callable[[Observation], object]:
    rules = [import_module("rule_engine").Rule(text) for text in LIMITS]
    return lambda one: [rule.matches(one.metrics) for rule in rules]
