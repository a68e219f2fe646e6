"""Residents who are away come back by their date: the attribute goes, and the registry's revisions say why.

The end stands in the registry itself (`gateway.registry.away`), so nothing is set that could be lost: after a restart
what is over by then ends at once.
"""

from __future__ import annotations

from functools import partial

from gateway.decider.decision import Decision
from gateway.decider.transactions import Transactions
from gateway.decider.view import View
from gateway.registry import away

AGAIN_MS = 30_000
"""What could not be ended is tried again after so long."""


class Absences:
    """When the next one ends. Used by the decider's thread alone."""

    def __init__(self, transactions: Transactions) -> None:
        self._tx = transactions
        self._looked_for = 0
        """The registry's revision that was looked at."""
        self._next_ms: int | None = None
        """When the next absence is over by it, or is to be tried again."""

    def end(self, view: View, now_ms: int) -> None:
        """End what is over by its date."""
        community = view.directory.community
        if view.revision != self._looked_for:
            ends = (one.until_ms for one in away.absences(community) if one.until_ms is not None)
            self._next_ms, self._looked_for = min(ends, default=None), view.revision
        if self._next_ms is None or now_ms < self._next_ms:
            return
        self._next_ms = now_ms + AGAIN_MS  # by the next revision it is found anew

        def work(decision: Decision) -> set[str]:
            zone = view.directory.calendar.zone
            for one in away.ended(community, decision.now_ms):
                step = partial(away.end_by_date, decision.connection, one, zone, decision.now_ms)
                self._tx.apart(decision, f"the end of the absence of {one.resident}", step)
            return set()

        self._tx.commit(work)
