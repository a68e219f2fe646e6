"""Who decides, the outbox that says what was decided, and the desk for people's answers: they wake each other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.answers import links
from gateway.answers.desk import AnswerDesk
from gateway.answers.invitations import Inviter
from gateway.assembly.problem import NotConfigured
from gateway.assembly.records import Records
from gateway.clock import Clock, steady_ms
from gateway.decider.decider import Decider
from gateway.decider.health import Changed
from gateway.decider.view import Views
from gateway.journal.entry import Outcome, Quarantined
from gateway.journal.journal import Journal
from gateway.outbox.worker import OutboxWorker
from gateway.registry.directory import CommunityDirectory
from gateway.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """Made by `make_deciding`; nothing of it runs before it is started."""

    views: Views
    decider: Decider
    outbox: OutboxWorker
    answers: AnswerDesk


def make_deciding(
    settings: Settings,
    clock: Clock,
    records: Records,
    *,
    on_change: Callable[[Changed], None],
    on_view: Callable[[CommunityDirectory], None],
) -> Deciding:
    """``on_change``: cases and devices changed. ``on_view``: the registry did. Both on the decider's thread."""
    engine, journal = records.engine, records.journal
    outbox: OutboxWorker
    views = Views(engine, clock, settings.gateway_device)
    decider = Decider(
        engine,
        journal,
        clock,
        views=views,
        quarantine=lambda item: _quarantine(journal, item),
        on_change=on_change,
        on_said=lambda: outbox.wake(),
        on_view=on_view,
        steady_ms=steady_ms,
        leadership=records.leadership,
    )
    inviter = Inviter(settings.secrets.ensure(links.SECRET), settings.api.public_url)
    outbox = OutboxWorker(engine, {}, clock, decider.wake, leadership=records.leadership, invite=inviter)
    answers = AnswerDesk(engine, decider, clock, lambda: views.directory)
    return Deciding(views=views, decider=decider, outbox=outbox, answers=answers)


async def start_deciding(deciding: Deciding, stack: contextlib.AsyncExitStack) -> CommunityDirectory:
    """Have it decided what is in the journal; returns the community. Raises NotConfigured where there is none yet, and
    what the database raises."""
    await asyncio.to_thread(deciding.decider.start)
    stack.push_async_callback(asyncio.to_thread, deciding.decider.stop)
    directory = deciding.views.directory
    if directory is None:
        raise NotConfigured(
            "no community has been applied yet: run `anju apply examples/tuanjiehu/community.yaml` "
            "(or `anju demo`) with the same --data-dir"
        )
    return directory


def _quarantine(journal: Journal, item: Quarantined) -> None:
    def done(outcome: Outcome) -> None:
        if outcome is Outcome.REFUSED:
            log.error("not even the quarantine could take %s of %s: %s", item.reason, item.device, item.hint)

    journal.quarantine(item, done)
