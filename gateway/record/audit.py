"""Looks at the timelines now and then, and makes the daily anchor. What it finds is an alarm of the gateway's device.

A helping a minute, so that a year's cases are looked at within the hour; a chain that was found broken is looked at
each time, until it is whole again (a backup was restored) and the alarm ends.
"""

from __future__ import annotations

import asyncio
import logging

import sqlalchemy as sa

from gateway.cases.chain import Verdict
from gateway.clock import Clock
from gateway.record import anchors
from gateway.record.chains import verdicts
from gateway.state.db import reading, writing

log = logging.getLogger(__name__)

EVERY_S = 60.0
HELPING = 200
ANCHORS = 7
"""So many of the newest anchors are looked at as well."""


class RecordAudit:
    """Run `run` as a task; `look` is one look, for tests."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._after = ""
        self._broken: dict[str, Verdict] = {}
        self._anchors: tuple[int, ...] = ()
        self._anchor: anchors.Anchor | None = None
        self._looked = False

    async def run(self) -> None:
        """Look until cancelled. Nothing that is found ends it."""
        while True:
            try:
                await asyncio.to_thread(self.look)
            except Exception:  # it must outlive a database that is away
                log.exception("the timelines could not be looked at; that is tried again")
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        """Look at one helping of cases, at those that were broken, and at the newest anchors; make one that is due."""
        with writing(self._engine) as connection:
            made = anchors.drop_due(connection, self._clock.now_ms())
        if made is not None:
            log.info("anchor %d of the record: %s over %d cases", made.number, made.digest, len(made.cases))
        with reading(self._engine) as connection:
            found = list(verdicts(connection, after=self._after, limit=HELPING))
            for case in self._broken:
                found += verdicts(connection, limit=1, case=case)
            holds = anchors.verify(connection, ANCHORS)
            self._anchor = anchors.newest(connection)
        self._after = max(one.case for one in found[:HELPING]) if len(found) >= HELPING else ""
        seen = {one.case: one for one in found if not one.whole}
        for case, verdict in seen.items():
            if case not in self._broken:
                log.error("the timeline of case %s is not what it was: %s", verdict.number, verdict.en)
        self._broken = seen | {
            case: one for case, one in self._broken.items() if not any(other.case == case for other in found)
        }
        self._anchors = tuple(one.number for one in holds if not one.whole)
        self._looked = True

    def trouble(self) -> str | None:
        """Which timelines are not what they were; empty where all are; None before the first look."""
        if not self._looked:
            return None
        said = [f"{one.number}: {one.en}" for one in self._broken.values()]
        said += [f"anchor {number}: what it covers was changed" for number in self._anchors]
        return "; ".join(said)

    def told_outside(self) -> dict[str, object]:
        """The newest anchor, for the heartbeat; empty before there is one."""
        anchor = self._anchor
        return {} if anchor is None else {"anchor": anchor.number, "at_ms": anchor.at_ms, "digest": anchor.digest}
