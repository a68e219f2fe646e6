"""The door for gear that can do nothing but push over HTTP: each sender with a key of its own.

A sender is a registered device, or a bridge with several devices behind it (a recorder with its channels). What it
pushes is answered when it is on disk, like everything else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from devices.gear.messages import Incoming
from devices.gear.profile import MessageGear
from devices.observation import Channel
from devices.profiles import PROFILES
from gateway.clock import Clock, Millis
from gateway.gear.intake import GearIntake
from gateway.gear.keys import is_key_of
from gateway.intake import Intake
from gateway.journal.entry import Done, Outcome
from gateway.receipts import Receipts
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import NATIVE
from gateway.state.db import reading

log = logging.getLogger(__name__)

SAY_EVERY_MS = 60_000
"""A registered sender with a wrong key is named in the log so often; each time is counted."""
ANSWER_WITHIN_S = 10.0
"""The journal answers in milliseconds; gear waits for about so long before it tries again."""


class NotAdmitted(Exception):
    """No such sender, or not its key. Nobody is told which."""


class WrongPath(Exception):
    """A native device pushes to …/event, …/telemetry or …/status."""


@dataclass(slots=True)
class _Sender:
    mark: str
    gear: MessageGear
    lock: threading.Lock = field(default_factory=threading.Lock)


class PushDoor:
    """Takes what is pushed, in the event loop's threads."""

    def __init__(
        self,
        engine: sa.Engine,
        directory: Callable[[], CommunityDirectory | None],
        intake: Intake,
        gear: GearIntake,
        receipts: Receipts,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._intake = intake
        self._gear = gear
        self._receipts = receipts
        self._clock = clock
        self._lock = threading.Lock()
        self._senders: dict[str, _Sender] = {}
        self._named_ms: dict[str, Millis] = {}
        """Registered sender → when it was last said that its key is wrong."""

    async def take(self, sender: str, key: str, path: str, payload: bytes, content_type: str) -> Outcome:
        """What became of it, once that is on disk. Raises NotAdmitted, WrongPath."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not answer.done():
                answer.set_result(outcome)

        def done(outcome: Outcome) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, outcome)

        await asyncio.to_thread(self._take, sender, key, path, payload, content_type, done)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await answer
        except TimeoutError:
            return Outcome.REFUSED  # it may still be written; pushed again, it is known or decided once more

    def _take(self, sender: str, key: str, path: str, payload: bytes, content_type: str, done: Done) -> None:
        with reading(self._engine) as connection:
            admitted = is_key_of(connection, sender, key)
        directory = self._directory()
        if not admitted:
            self._turn_away(sender, directory)
            raise NotAdmitted(sender)
        device = directory.device(sender) if directory is not None else None
        if directory is not None and device is not None and device.profile == NATIVE:
            try:
                channel = Channel(path)
            except ValueError:
                raise WrongPath(path) from None
            self._intake.offer_http(device.address or device.id, channel, payload, done)
            return
        profile = pushing(directory, sender)
        if directory is None or profile is None:
            raise NotAdmitted(sender)
        key_of_profile, options, base = profile
        gear = self._sender(sender, key_of_profile, options, base)
        incoming = Incoming(
            source=path, payload=payload, received_at_ms=self._clock.now_ms(), content_type=content_type
        )
        with gear.lock:
            self._gear.offer(sender, key_of_profile, gear.gear.receive, incoming, directory.book(sender), done)

    def _turn_away(self, sender: str, directory: CommunityDirectory | None) -> None:
        """It may be a device whose key was changed at one end only, with an alarm: that is not to pass unnoticed."""
        self._receipts.turn_away("http")
        if directory is None or not (sender in directory.devices or sender in directory.bridges):
            return
        now_ms = self._clock.now_ms()
        with self._lock:
            if 0 <= now_ms - self._named_ms.get(sender, now_ms - SAY_EVERY_MS) < SAY_EVERY_MS:
                return
            self._named_ms[sender] = now_ms
        log.warning("%s pushes with a wrong key, and is not heard; make a new one: anju devices key %s", sender, sender)

    def _sender(self, sender: str, profile: str, options: dict[str, str], base: str) -> _Sender:
        mark = f"{profile} {base} {options}"
        with self._lock:
            known = self._senders.get(sender)
            if known is None or known.mark != mark:
                make = PROFILES[profile].message
                assert make is not None
                known = self._senders[sender] = _Sender(mark, make(base, options))
            return known


def pushing(directory: CommunityDirectory | None, sender: str) -> tuple[str, dict[str, str], str] | None:
    """Profile, options and base of a sender that pushes; None for anybody else."""
    if directory is None:
        return None
    bridge, device = directory.bridges.get(sender), directory.device(sender)
    if bridge is not None and PROFILES[bridge.profile].carrier == "http":
        return bridge.profile, bridge.options, bridge.base
    if device is not None and directory.bridge_of(sender) == sender and PROFILES[device.profile].carrier == "http":
        return device.profile, {}, ""
    return None
