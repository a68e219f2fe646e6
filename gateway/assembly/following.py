"""What is built from the registry, and anew whenever it changes: ways out, bridges, what a home assistant is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from gateway.announce.announcer import Announcer
from gateway.assembly.records import Records
from gateway.assembly.ways_in import WaysIn
from gateway.clock import Clock
from gateway.outbox.channel import OutboxChannel
from gateway.outbox.channels.build import build_channels
from gateway.outbox.channels.telephony import Telephony
from gateway.outbox.dc09_book import Dc09Book
from gateway.outbox.worker import OutboxWorker
from gateway.registry.directory import CommunityDirectory
from gateway.settings import Settings
from gateway.store.vitals import MONITOR, latest_vitals

log = logging.getLogger(__name__)


class Following:
    """Used in the event loop that sends. `follow` at the start, `changed` for every registry after it, `stop` last."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        records: Records,
        ways_in: WaysIn,
        telephony: Telephony,
        outbox: OutboxWorker,
        announcer: Announcer,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._records = records
        self._ways_in = ways_in
        self._telephony = telephony
        self._outbox = outbox
        self._announcer = announcer
        self._channels: dict[str, OutboxChannel] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopped = False

    def channels(self) -> Mapping[str, OutboxChannel]:
        """The ways out as of now, by the name that messages use."""
        return self._channels

    def follow(self, directory: CommunityDirectory) -> None:
        """Bring all of it to what ``directory`` names; bridges take a moment. Raises ValueError, see `build_channels`;
        then everything is as it was."""
        self._channels = build_channels(
            directory.community,
            self._settings.secrets,
            self._ways_in.publish,
            self._vitals,
            telephony=self._telephony,
            reporting=(Dc09Book(self._records.engine), self._clock),
            may_dial=self._settings.live_dialling,
        )
        self._outbox.replace_channels(self._channels)
        self._announcer.follow()
        task = asyncio.get_running_loop().create_task(self._ways_in.bridges.follow(directory), name="bridges")
        self._under_way.add(task)
        task.add_done_callback(self._followed)

    def changed(self, directory: CommunityDirectory) -> None:
        """The registry changed while the gateway runs. What cannot be followed is said in the log."""
        if self._stopped:
            return
        try:
            self.follow(directory)
        except Exception:
            log.exception("the ways out cannot be built from the newest registry; those before it stay in use")

    async def stop(self) -> None:
        """Follow nothing any more: after this no bridge is started behind the back of who ends them."""
        self._stopped = True
        if self._under_way:
            await asyncio.wait(self._under_way)

    def _followed(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("not every bridge could be brought to the newest registry", exc_info=task.exception())

    async def _vitals(self, resident: str) -> list[dict[str, object]]:
        directory = self._ways_in.views.directory
        known = directory.devices.values() if directory is not None else ()
        monitors = [device.id for device in known if device.kind == MONITOR and device.resident == resident]
        return await latest_vitals(self._records.store, monitors)
