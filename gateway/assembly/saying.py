"""What is said to people, outside systems, devices and a home assistant. Started when all it speaks of is there."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from gateway.announce.announcer import Announcer
from gateway.assembly.deciding import Deciding
from gateway.assembly.following import Following
from gateway.assembly.parts import Parts
from gateway.assembly.records import Records
from gateway.assembly.telephone import Telephone
from gateway.assembly.ways_in import WaysIn
from gateway.clock import Clock
from gateway.registry.directory import CommunityDirectory
from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """Made by `start_saying`, and running."""

    telephone: Telephone
    announcer: Announcer
    following: Following


def start_saying(
    settings: Settings,
    clock: Clock,
    records: Records,
    deciding: Deciding,
    telephone: Telephone,
    ways_in: WaysIn,
    directory: CommunityDirectory,
    parts: Parts,
    stack: contextlib.AsyncExitStack,
) -> Saying:
    """Open the ways out, and only then let the outbox send. Raises ValueError for channels that cannot be built."""
    views, outbox = deciding.views, deciding.outbox
    announcer = Announcer(
        records.engine,
        records.journal,
        records.store.latest,
        lambda: views.directory,
        lambda: ways_in.address("announce"),
        clock,
        said=outbox.wake,
    )
    parts.start(announcer.run(), "announcer")
    parts.start(telephone.modems.run(), "modems")
    telephone.trunks.start()
    stack.push_async_callback(telephone.trunks.stop)
    following = Following(settings, clock, records, ways_in, telephone.telephony, outbox, announcer)
    stack.push_async_callback(following.stop)
    following.follow(views.directory or directory)
    parts.start(outbox.run(), "outbox", stop=outbox.stop)
    parts.start(deciding.answers.run(), "answers")
    return Saying(telephone=telephone, announcer=announcer, following=following)
