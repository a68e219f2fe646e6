"""Is the gateway really well? What must hold before the heartbeat to outside goes out.

Stricter than being ready: both lanes of the journal have just written to the disk, the decider was just seen at work
and is not behind with what is urgent, the auditor has just looked and found nothing lost, the outbox is at work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from devices.observation import Lane
from gateway.checkup import Checkup, Organs
from gateway.clock import Clock

WRITTEN_WITHIN_S = 20.0
"""A proof was asked for some seconds ago; a lane that took longer does not take a press either."""
AUDITED_WITHIN_S = 60.0
REPAIRED_MS = 15 * 60_000
"""A lost timer is a defect. It was mended, but somebody outside is to hear of it."""
URGENT_WAITS_S = 60.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the gateway is not well."""

    part: str
    zh: str
    en: str


class Wellness:
    """Asks for proofs, and looks at them. `reasons` may block on a disk that hangs, so it belongs into a thread."""

    def __init__(self, organs: Organs, checkup: Checkup, undecided_s: Callable[[Lane], float], clock: Clock) -> None:
        """``undecided_s``: for how long the oldest message of a lane has waited for its decision."""
        self._organs = organs
        self._checkup = checkup
        self._undecided_s = undecided_s
        self._clock = clock

    def prove(self) -> None:
        """Have the journal write something: `reasons` will want to see that it did."""
        self._organs.journal.prove()

    def reasons(self) -> list[Reason]:
        """Everything that is not well; empty: the heartbeat may go out."""
        found = list(self._of_parts())
        named = {reason.part for reason in found}
        return found + [reason for reason in self._of_proofs() if reason.part not in named]

    def degraded(self) -> list[str]:
        """The parts that are not as they should be, and without which the gateway does its work."""
        return [part.name for part in self._checkup.organs() if part.state != "ok"]

    def _of_parts(self) -> Iterator[Reason]:
        for part in self._checkup.organs():
            # Also a journal that refuses routine only: whoever lies on the floor under a radar is not heard.
            if part.critical and (part.state == "failed" or (part.name == "journal" and part.state != "ok")):
                yield Reason(part.name, part.zh, part.en)

    def _of_proofs(self) -> Iterator[Reason]:
        for lane in Lane:
            written_s = self._organs.journal.written_s(lane)
            if written_s > WRITTEN_WITHIN_S:
                since = f"{written_s:.0f}" if written_s < 1e6 else "∞"
                yield Reason(
                    "journal",
                    f"日志（{lane}）{since} 秒未写入磁盘",
                    f"the {lane} journal has brought nothing onto the disk for {since} s",
                )
        waits_s = self._undecided_s(Lane.URGENT)
        if waits_s > URGENT_WAITS_S:
            yield Reason(
                "decider",
                f"紧急消息等待判断 {waits_s:.0f} 秒",
                f"an urgent message has waited {waits_s:.0f} s for its decision",
            )
        health = self._organs.decider.health
        audited_s = time.monotonic() - health.audited
        if audited_s > AUDITED_WITHIN_S:
            yield Reason(
                "auditor", f"自检 {audited_s:.0f} 秒未运行", f"the auditor has not looked for {audited_s:.0f} s"
            )
        if health.repaired_ms is not None and self._clock.now_ms() - health.repaired_ms < REPAIRED_MS:
            yield Reason(
                "auditor",
                f"自检刚修复丢失的定时（共 {health.repaired} 次），请报告",
                f"the auditor has just set lost timers again ({health.repaired} so far), please report it",
            )
