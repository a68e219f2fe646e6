"""What people say: decided here, left for the gateway that leads, or taken over from one that does not."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import sqlalchemy as sa

from gateway.cases.commands import HumanAction, Refused
from gateway.cases.model import Case
from gateway.cases.report import Report
from gateway.clock import Clock
from gateway.decider import case_rows, others
from gateway.decider.decision import Decision
from gateway.decider.health import Health
from gateway.decider.transactions import Transactions
from gateway.state.leadership import Leadership, NotLeading

log = logging.getLogger(__name__)


class Answering:
    """`put` may be called from any thread, the rest by the decider's alone."""

    def __init__(
        self,
        transactions: Transactions,
        engine: sa.Engine,
        clock: Clock,
        health: Health,
        *,
        reload: Callable[[], None],
        leadership: Leadership | None,
    ) -> None:
        """``reload``: as of `Hearing`."""
        self._tx = transactions
        self._engine = engine
        self._clock = clock
        self._health = health
        self._reload = reload
        self._leadership = leadership
        self._said: queue.SimpleQueue[tuple[str, HumanAction | Report, Future[Case]]] = queue.SimpleQueue()
        self._relayed: dict[str, tuple[int, Future[Case]]] = {}
        """What was left for the leader: since when, and who waits for its answer."""

    def put(self, case_id: str, said: HumanAction | Report) -> Future[Case]:
        """Somebody decides about a case, or reports something (no ``case_id``); see `Decider.act`, `Decider.report`."""
        future: Future[Case] = Future()
        self._said.put((case_id, said, future))
        return future

    @property
    def relayed(self) -> bool:
        """Whether somebody here waits for the leader."""
        return bool(self._relayed)

    def decide(self) -> None:
        """Take every decision that waits here."""
        while True:
            try:
                case_id, said, future = self._said.get_nowait()
            except queue.Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            results: list[Case] = []

            def take(
                decision: Decision,
                case_id: str = case_id,
                said: HumanAction | Report = said,
                results: list[Case] = results,
            ) -> set[str]:
                results.append(decision.take(case_id, said))
                return set()

            try:
                self._tx.commit(take)
            except (KeyError, Refused) as error:
                future.set_exception(error)
            except NotLeading:
                self._leave(case_id, said, future)
                raise
            except BaseException as error:
                future.set_exception(error)
                raise
            else:
                future.set_result(results[-1])

    def decide_for_others(self) -> None:
        """Take what people decided at gateways that do not lead."""
        if self._leadership is None or not (self._leadership.peers or self._relayed):
            return
        refusal: KeyError | Refused
        alive = {self._leadership.gateway, *self._leadership.peers}
        for item in others.waiting(self._engine, alive):

            def take(decision: Decision, item: others.Relayed = item) -> set[str]:
                if others.answer(decision.connection, item.id, decision.now_ms):
                    case = decision.take(item.case_id, item.said())
                    others.name_case(decision.connection, item.id, case.id)
                return set()

            try:
                self._tx.commit(take)
            except (KeyError, Refused) as error:
                refusal = error
            except Exception as error:
                if isinstance(error, NotLeading) or case_rows.machines_trouble(error):
                    raise
                # Alarms must not wait behind what this gateway cannot carry out.
                log.exception("cannot decide: what somebody said at another gateway about %s", item.case_id or "work")
                self._health.undecidable += 1
                self._reload()
                refusal = Refused("not_decided", "网关出错，未执行", "the gateway failed on it; nothing was done")
            else:
                continue
            self._tx.commit(partial(_refuse, id_=item.id, why=refusal))

    def leave_all(self) -> None:
        """Another gateway decides: what people say here is left for it."""
        while True:
            try:
                case_id, said, future = self._said.get_nowait()
            except queue.Empty:
                return
            if future.set_running_or_notify_cancel():
                self._leave(case_id, said, future)

    def hear_leader(self) -> None:
        """Hand on what the leader answered, and give up what no gateway took up."""
        for id_, found in others.answered(self._engine, self._relayed).items():
            _, future = self._relayed.pop(id_)
            if isinstance(found, Case):
                future.set_result(found)
            elif isinstance(found, BaseException):
                future.set_exception(found)
        given_up_ms = self._clock.now_ms() - others.ANSWER_WITHIN_MS
        for id_ in [id_ for id_, (since_ms, _) in self._relayed.items() if since_ms < given_up_ms]:
            _, future = self._relayed.pop(id_)
            future.set_exception(TimeoutError("no gateway took it up"))

    def _leave(self, case_id: str, said: HumanAction | Report, future: Future[Case]) -> None:
        assert self._leadership is not None
        now_ms = self._clock.now_ms()
        self._relayed[others.relay(self._engine, self._leadership.gateway, case_id, said, now_ms)] = now_ms, future


def _refuse(decision: Decision, id_: str, why: KeyError | Refused) -> set[str]:
    others.answer(decision.connection, id_, decision.now_ms, why)
    return set()
