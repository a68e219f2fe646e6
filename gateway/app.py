"""The wiring of one gateway, readable top to bottom: what is made, in which order it starts, and how it stops.

Start: state database, journal, decider, store writer, broker, serial lines, MQTT, announcer, modems, trunks, bridges
and ways out, outbox, answers, those who look on, API. Nothing is let in before it can be written down, and nothing is
acknowledged before it is. Stop: the other way round, one after the other (`contextlib.AsyncExitStack`): the door for
people first, then what speaks, then what hears, then what decides; the journal and the database last.

A part that ends by itself ends the gateway with its error: whoever supervises the process starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable

from gateway.api.context import Context
from gateway.assembly.deciding import Deciding, make_deciding, start_deciding
from gateway.assembly.following import Following
from gateway.assembly.parts import Parts
from gateway.assembly.records import Records, open_records, store_writer
from gateway.assembly.saying import start_saying
from gateway.assembly.serving import first_token, start_serving
from gateway.assembly.telephone import make_telephone
from gateway.assembly.watching import Watching, start_watching
from gateway.assembly.ways_in import WaysIn, open_ways_in
from gateway.backtest.jobs import Backtests
from gateway.clock import Clock, SystemClock
from gateway.decider.health import Changed
from gateway.feed import Feed, News
from gateway.gear.push import PushDoor
from gateway.metrics import metrics_registry
from gateway.registry.directory import CommunityDirectory
from gateway.registry.secrets import missing_secrets
from gateway.settings import Settings

log = logging.getLogger(__name__)

THREAD_TURN_S = 0.0005
"""Python's own 5 ms are long for a press: it crosses a dozen threads' turns, each behind those busy with telemetry."""


class Gateway:
    """One gateway. `run` starts everything, serves until `stop`, and ends everything."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.feed = Feed()
        self._stopping = asyncio.Event()
        self._following: Following | None = None
        """What follows the registry, once it is there: the registry may change before."""
        self.url = ""
        """Where the console is, once it is up."""
        self.first_token: str | None = None
        """The token made at the very first start, to be shown once."""

    def stop(self) -> None:
        """End `run`. To be called in the event loop."""
        self._stopping.set()

    async def run(self, on_ready: Callable[[Gateway], None] = lambda _: None) -> None:
        """Serve until `stop`. Raises NotConfigured, BrokerError, JournalError, OSError, PartEnded, sqlalchemy and store
        errors."""
        loop = asyncio.get_running_loop()
        settings, clock = self.settings, self.clock
        settings.data_dir.mkdir(parents=True, exist_ok=True)

        def tell_of_registry(directory: CommunityDirectory) -> None:
            loop.call_soon_threadsafe(self._registry_changed, directory)

        async with contextlib.AsyncExitStack() as stack:
            parts = Parts(stack)
            records = await open_records(settings, clock, stack)

            # Who decides, and what for
            deciding = make_deciding(settings, clock, records, on_change=self._publish, on_view=tell_of_registry)
            outbox, views = deciding.outbox, deciding.views
            telephone = make_telephone(settings, clock, records.engine, deciding.answers, outbox, stack)
            directory = await start_deciding(deciding, stack)
            for name in missing_secrets(directory.community, settings.secrets):
                log.warning("secret %s is missing: what needs it reaches nobody; see `anju doctor`", name)

            # What is heard. The store writer is first: from the decider's view on it is known where every device is.
            writer = store_writer(settings, clock, records, views)
            parts.start(writer.run(), "store writer")
            ways_in = await open_ways_in(settings, clock, records, views, directory, stack)

            saying = start_saying(settings, clock, records, deciding, telephone, ways_in, directory, parts, stack)
            self._following = saying.following

            watching = start_watching(settings, clock, self.feed, records, deciding, writer, ways_in, saying, parts)

            # The door for people
            backtests = Backtests(clock)
            stack.push_async_callback(backtests.close)
            context = self._context(records, deciding, ways_in, watching, backtests)
            self.url = start_serving(settings.api, context, parts)
            log.info("console: %s", self.url)
            # Only now: a token that nobody gets to see would lock everybody out.
            self.first_token = first_token(records.engine, clock)
            on_ready(self)
            await parts.until(self._stopping)

    def _context(
        self,
        records: Records,
        deciding: Deciding,
        ways_in: WaysIn,
        watching: Watching,
        backtests: Backtests,
    ) -> Context:
        """What the API needs."""
        views = deciding.views
        push = PushDoor(
            records.engine, lambda: views.directory, ways_in.intake, ways_in.gear, ways_in.receipts, self.clock
        )
        return Context(
            engine=records.engine,
            clock=self.clock,
            decider=deciding.decider,
            store=records.store,
            feed=self.feed,
            directory=lambda: views.directory,
            health=watching.checkup.parts,
            metrics=metrics_registry(watching.organs, watching.checkup, watching.dead_man),
            quarantined=records.journal.quarantined,
            said=deciding.outbox.wake,
            settings=self.settings,
            backtests=backtests,
            answers=deciding.answers,
            push=push,
            stopping=self._stopping,
        )

    def _registry_changed(self, directory: CommunityDirectory) -> None:
        if self._following is not None:
            self._following.changed(directory)

    def _publish(self, changed: Changed) -> None:
        cases = (News("case", case) for case in sorted(changed.cases))
        self.feed.publish(*cases, *(News("device", device) for device in sorted(changed.devices)))


async def serve(settings: Settings, on_ready: Callable[[Gateway], None] = lambda _: None) -> None:
    """Run a gateway until SIGINT or SIGTERM. Raises as `Gateway.run`."""
    sys.setswitchinterval(THREAD_TURN_S)
    gateway = Gateway(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, gateway.stop)
    await gateway.run(on_ready)
