"""A guard's view of the rules engine: devices speak, time passes, and one reads off what was raised and cleared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from devices.kinds import KINDS
from devices.observation import Channel, Observation
from gateway.alarms import AlarmChange
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.forms import KnownDevice
from gateway.rules.library import library

START = 1_790_000_000_000
_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)


def _limit(id_: str, when: str, clear: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "version": 1,
        "zh": "限值",
        "en": "A limit",
        "form": "threshold",
        "kinds": ["vitals_monitor"],
        "subject": "resident",
        "raises": {"type": "vitals_abnormal", "severity": "urgent", "ladder": "urgent"},
        "when": when,
        "clear": clear,
        **more,
    }


_OFF = {"ignore": "probe_off == 1 or spo2 == 0", "readings": {"count": 2, "of": 3}}
_BOTH = {"readings": {"count": 2, "of": 2}}
LIMITS: Mapping[str, dict[str, Any]] = {
    "spo2-limit": _limit("spo2-limit", "spo2 < 90", "spo2 >= 92", **_OFF),
    "pressure-limit": _limit(
        "pressure-limit", "systolic > 180 or diastolic > 120", "systolic <= 170 and diastolic <= 110", **_BOTH
    ),
}
"""Plain rules by limits, for tests of that form; those of the library weigh more than one reading."""


def rule(**document: Any) -> RuleDocument:
    """A rule from its document; ``use`` lays the rest over one of the library, or of `LIMITS`."""
    base = {**library(), **LIMITS}[document.pop("use")] if "use" in document else {}
    return _adapter.validate_python({**base, **document})


HOME = (
    KnownDevice("key", "sos_button", "door-1", "wang", 3600),
    KnownDevice("cord", "sos_button", "door-1", "wang", 3600),
    KnownDevice("monitor", "vitals_monitor", "door-1", "wang", 900),
    KnownDevice("monitor-2", "vitals_monitor", "door-1", "wang", 900),
    KnownDevice("smoke-a", "smoke", "door-1", None, 3600),
    KnownDevice("smoke-b", "smoke", "door-1", None, 3600),
    KnownDevice("yard-key", "sos_button", "yard", None, 3600),
    KnownDevice("yard-key-2", "sos_button", "yard", None, 3600),
    KnownDevice("road", "traffic_counter", "pole-7", None, 300),
)


class WatchRoom:
    """Rules, devices and a clock that only the test moves."""

    def __init__(
        self, *rules: RuleDocument, devices: Iterable[KnownDevice] = HOME, saved: Mapping[tuple[str, str], str] = {}
    ) -> None:
        self.rules = rules
        self.devices = {device.id: device for device in devices}
        self.saved = dict(saved)
        self.now_ms = START
        self.seq = 0
        self.changes: list[AlarmChange] = []
        self.engine = Engine(rules, self.devices.get, self.saved)

    def restart(self, *rules: RuleDocument) -> None:
        """The gateway is killed and starts again from what was committed (with other rules, where given)."""
        self.rules = rules or self.rules
        self.engine = Engine(self.rules, self.devices.get, self.saved)

    def forward(self, seconds: float) -> list[str]:
        """Time passes; the engine is ticked whenever it asked for it."""
        return self.until(self.now_ms + int(seconds * 1000))

    def until(self, end_ms: int) -> list[str]:
        told: list[str] = []
        while (due := self.engine.next_deadline_ms()) is not None and due <= end_ms:
            self.now_ms = max(self.now_ms, due)
            told += self._note(self.engine.tick(self.now_ms))
        self.now_ms = end_ms
        return told

    def says(
        self,
        device: str,
        event: str | None = None,
        *,
        ago_s: float = 0,
        seq: int | None = None,
        boot: int = 1,
        **metrics: float,
    ) -> list[str]:
        """A message of ``device`` arrives now; it happened ``ago_s`` seconds ago."""
        if seq is None:
            self.seq += 1
            seq = self.seq
        return self.hears(
            Observation(
                message_id=f"{device}:{boot}:{seq}",
                device=device,
                kind=self.devices[device].kind,
                lane=(Channel.TELEMETRY if event is None else Channel.EVENT).lane,
                observed_at_ms=self.now_ms - int(ago_s * 1000),
                received_at_ms=self.now_ms,
                event=event,
                metrics={key: float(value) for key, value in metrics.items()},
            )
        )

    def hears(self, observation: Observation) -> list[str]:
        return self._note(self.engine.observe(observation, self.now_ms))

    def _note(self, changes: list[AlarmChange]) -> list[str]:
        self.changes += changes
        self.saved.update(self.engine.dirty())
        return [f"{change.move} {change.rule} {change.subject}" for change in changes]

    @property
    def last(self) -> AlarmChange:
        return self.changes[-1]


def supervision_ms(kind: str) -> int:
    return KINDS[kind].supervision_s * 1000
