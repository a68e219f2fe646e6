"""What the API needs of the gateway, handed over once by `gateway.app`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from gateway.answers.desk import AnswerDesk
from gateway.backtest.jobs import Backtests
from gateway.clock import Clock
from gateway.decider.decider import Decider
from gateway.feed import Feed
from gateway.gear.push import PushDoor
from gateway.health import Part
from gateway.journal.entry import Quarantined
from gateway.registry.directory import CommunityDirectory
from gateway.settings import Settings
from gateway.store.protocol import Store


@dataclass(frozen=True)
class Context:
    """The gateway as the API sees it."""

    engine: sa.Engine
    clock: Clock
    decider: Decider
    store: Store
    feed: Feed
    directory: Callable[[], CommunityDirectory | None]
    """The registry's present view; None before a community was applied."""
    health: Callable[[], list[Part]]
    metrics: CollectorRegistry
    push: PushDoor
    answers: AnswerDesk
    quarantined: Callable[[int, str], Sequence[Quarantined]]
    """The newest messages of a device, or of a stranger (``bridge/address``), that were not understood."""
    said: Callable[[], None]
    """Something was put into the outbox: have it sent now."""
    settings: Settings
    backtests: Backtests
    stopping: asyncio.Event
    """Set when the gateway goes down, so that streams end and the server can stop."""


def get_context(request: Request) -> Context:
    """The gateway's parts that the request may use."""
    context: Context = request.app.state.context
    return context


Gateway = Annotated[Context, Depends(get_context)]
