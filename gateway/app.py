"""The wiring of one gateway, readable top to bottom: what is made, in which order it starts, and how it stops.

Start: state database, journal, store, decider, outbox, broker, transports, API: nothing is let in before it can be
written down, and nothing is acknowledged before it is. Stop: the other way round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import sqlalchemy as sa
import uvicorn

from devices.gear.memory import Memory
from devices.native import Command, encode_command
from devices.telemetry import NOWHERE
from gateway.announce.announcer import Announcer
from gateway.answers import links
from gateway.answers.desk import AnswerDesk
from gateway.answers.invitations import Inviter
from gateway.api.app import create_api
from gateway.api.auth import create_token
from gateway.api.context import Context
from gateway.backtest.jobs import Backtests
from gateway.checkup import Checkup, Organs
from gateway.chronicle.chronicler import Chronicler
from gateway.chronicle.ground import Ground, ground_of
from gateway.chronicle.looks import Looks, Sources
from gateway.chronicle.pen import Pen
from gateway.chronicle.rows import ChronicleRows, kept_ms, store_key
from gateway.chronicle.street import Street, on_streets
from gateway.clock import Clock, SystemClock, steady_ms
from gateway.decider.decider import Decider
from gateway.decider.health import Changed
from gateway.decider.view import Views
from gateway.feed import Feed, News
from gateway.gear.bridges import Bridges, speaks_on_a_line
from gateway.gear.intake import GearIntake
from gateway.gear.push import PushDoor
from gateway.gear.restore import restored
from gateway.gear.strangers import Strangers
from gateway.intake import Intake
from gateway.itself.dead_man import DeadMan
from gateway.itself.figures import Figures
from gateway.itself.modems import ModemWatcher
from gateway.itself.watcher import Watcher
from gateway.itself.wellness import Wellness
from gateway.journal.entry import Outcome, Quarantined
from gateway.journal.journal import Journal
from gateway.metrics import metrics_registry
from gateway.outbox.channel import OutboxChannel
from gateway.outbox.channels.build import build_channels, emergency_line, paths
from gateway.outbox.channels.device_command import Published
from gateway.outbox.channels.sms import report_of
from gateway.outbox.channels.telephony import Telephony
from gateway.outbox.dc09_book import Dc09Book
from gateway.outbox.modem.ledger import SmsLedger
from gateway.outbox.modem.pool import ModemPool
from gateway.outbox.modem.reports import Fate
from gateway.outbox.sip.trunk import SipTrunks
from gateway.outbox.speech import Speech
from gateway.outbox.voice import Caller
from gateway.outbox.worker import OutboxWorker
from gateway.receipts import Receipts
from gateway.record.audit import RecordAudit
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import NATIVE
from gateway.registry.secrets import missing_secrets
from gateway.settings import Settings
from gateway.state import tables as t
from gateway.state.db import open_database
from gateway.state.leadership import Leadership
from gateway.store import open_store
from gateway.store.cursors import StoreCursors
from gateway.store.erasures import Erasures
from gateway.store.later import LaterStore
from gateway.store.vitals import MONITOR, latest_vitals
from gateway.store.writer import StoreWriter
from gateway.transports.broker import ManagedBroker
from gateway.transports.broker_config import ensure_broker_users
from gateway.transports.broker_ports import who_listens
from gateway.transports.mqtt import MqttTransport, gateway_address
from gateway.transports.serial import SerialTransport
from gateway.web.console import add_console

log = logging.getLogger(__name__)

READERS = ("decider", "store")
STREAMS_END_S = 5
THREAD_TURN_S = 0.0005
"""Python's own 5 ms are long for a press: it crosses a dozen threads' turns, each behind those busy with telemetry."""


class NotConfigured(Exception):
    """The gateway cannot start as it is set up; the message says what to do."""


class Gateway:
    """One gateway. `run` starts everything, serves until `stop`, and ends everything."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.feed = Feed()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.url = ""
        """Where the console is, once it is up."""
        self.first_token: str | None = None
        """The token made at the very first start, to be shown once."""

    def stop(self) -> None:
        """End `run`. To be called in the event loop."""
        self._stopping.set()

    async def run(self, on_ready: Callable[[Gateway], None] = lambda _: None) -> None:
        """Serve until `stop`. Raises NotConfigured, BrokerError, JournalError, OSError, sqlalchemy and store errors."""
        loop = asyncio.get_running_loop()
        settings = self.settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            # What is decided
            engine = await asyncio.to_thread(open_database, settings.database)
            stack.callback(engine.dispose)

            # What is heard
            journal = Journal(settings.data_dir / "journal", settings.journal, self.clock)
            await asyncio.to_thread(journal.start)
            stack.push_async_callback(asyncio.to_thread, journal.close)
            journal.retain_readers(READERS)

            # Where telemetry is kept
            # What is wrong with it keeps nobody's alarm waiting: it is opened when it can be.
            store = LaterStore(lambda: open_store(settings, self.clock))
            stack.push_async_callback(store.close)
            itself = settings.gateway_device
            cursors = StoreCursors(engine, itself)
            writer = StoreWriter(
                journal,
                store,
                stamps=lambda device: NOWHERE if views.directory is None else views.directory.areas.of_device(device),
                load=cursors.load,
                save=cursors.save,
                quarantine=journal.quarantine,
                clock=self.clock,
                erased=Erasures(engine, itself).marks,
                meaning=Street(lambda d: None if views.directory is None else on_streets(views.directory).get(d)),
            )

            # Who decides, where there are several gateways
            leadership = Leadership(engine, self.clock, itself, rank=settings.rank, url=self._own_url())
            stack.push_async_callback(asyncio.to_thread, _give_up, leadership)

            # Who decides
            views = Views(engine, self.clock, itself)
            outbox: OutboxWorker
            decider = Decider(
                engine,
                journal,
                self.clock,
                views=views,
                quarantine=lambda item: _quarantine(journal, item),
                on_change=self._publish,
                on_said=lambda: outbox.wake(),
                on_view=lambda directory: _ignore(loop.call_soon_threadsafe(rebuild, directory)),
                steady_ms=steady_ms,
                leadership=leadership,
            )

            # What is said
            following: set[asyncio.Task[None]] = set()

            ways_out: dict[str, OutboxChannel] = {}

            # What people answer
            answers = AnswerDesk(engine, decider, self.clock, lambda: views.directory)

            # What is said by telephone
            speech = Speech(settings.data_dir / "speech")
            ledger = SmsLedger(engine)
            stack.push_async_callback(asyncio.to_thread, ledger.close)
            modems = ModemPool(
                settings.modems,
                settings.secrets,
                speech,
                ledger,
                self.clock,
                listener=answers,
                settle=lambda key, fate, words: _reported(outbox, key, fate, words),
            )
            trunks = SipTrunks(settings.sip, settings.secrets, speech, settings.data_dir / "sip")
            callers: dict[str, Caller] = {"modem": modems} if settings.modems else {}
            callers |= {"sip": trunks} if settings.sip else {}
            telephony = Telephony(modems, ledger, callers, answers, self.clock)

            def rebuild(directory: CommunityDirectory) -> None:
                channels = build_channels(
                    directory.community,
                    settings.secrets,
                    publish,
                    vitals,
                    telephony=telephony,
                    reporting=(Dc09Book(engine), self.clock),
                    may_dial=settings.live_dialling,
                )
                outbox.replace_channels(channels)
                ways_out.clear()
                ways_out.update(channels)
                for announcer in announcers:
                    announcer.follow()
                for bridges in ways_in:
                    task = loop.create_task(bridges.follow(directory), name="bridges")
                    following.add(task)
                    task.add_done_callback(following.discard)

            mqtt: MqttTransport
            lines: list[SerialTransport] = []
            ways_in: list[Bridges] = []
            """One, as soon as it is there: the registry may change before."""
            announcers: list[Announcer] = []
            """The same."""

            async def publish(device: str, command: Command, expiry_s: int) -> Published:
                known = views.directory.device(device) if views.directory is not None else None
                if known is not None and known.profile != NATIVE:
                    return await ways_in[0].send(device, command, expiry_s)
                hardware = known.address or device if known is not None else device
                for line in lines:
                    if line.knows(hardware):
                        return await line.send_command(hardware, command, min(10.0, expiry_s))
                return await mqtt.publish_command(hardware, encode_command(command, "json"), expiry_s)

            async def vitals(resident: str) -> list[dict[str, object]]:
                known = views.directory.devices.values() if views.directory is not None else ()
                monitors = [device.id for device in known if device.kind == MONITOR and device.resident == resident]
                return await latest_vitals(store, monitors)

            inviter = Inviter(settings.secrets.ensure(links.SECRET), settings.api.public_url)
            outbox = OutboxWorker(engine, {}, self.clock, decider.wake, leadership=leadership, invite=inviter)
            await asyncio.to_thread(decider.start)
            stack.push_async_callback(asyncio.to_thread, decider.stop)
            directory = views.directory
            if directory is None:
                raise NotConfigured(
                    "no community has been applied yet: run `anju apply examples/tuanjiehu/community.yaml` "
                    "(or `anju demo`) with the same --data-dir"
                )
            # Only now that it is known where every device is: that is written with its readings.
            stack.push_async_callback(_end, self._start(writer.run(), "store writer"))
            for name in missing_secrets(directory.community, settings.secrets):
                log.warning("secret %s is missing: what needs it reaches nobody; see `anju doctor`", name)

            # The way in
            community = directory.community.community.id
            receipts = Receipts(journal)
            strangers = Strangers(engine, self.clock)
            strangers.start()
            stack.push_async_callback(asyncio.to_thread, strangers.stop)
            intake = Intake(
                journal, self.clock, community, views.native, receipts=receipts, stranger=strangers.note_native
            )
            own = {itself, *(modem.name for modem in settings.modems)}
            memories = await asyncio.to_thread(
                restored, engine, journal, lambda device: device in own or views.is_gear(device)
            )
            modem_memories = {name: memories.pop(name) for name in own & memories.keys() - {itself}}
            own_memory = memories.pop(itself, Memory())
            gear = GearIntake(journal, receipts, strangers, memories)
            broker, password = await self._broker(stack)
            mqtt = MqttTransport(settings.broker, password, community, intake.offer_mqtt, self.clock, itself)
            foreign = {bridge.id for bridge in directory.bridges.values() if speaks_on_a_line(bridge)}
            lines += [
                SerialTransport(line, intake.offer_serial, self.clock)
                for line in settings.serial
                if line.name not in foreign
            ]
            bridges = Bridges(
                gear,
                lambda: gateway_address(settings.broker, password, community, "bridge", itself),
                settings.serial,
                lambda: views.directory,
                self.clock,
                field_bus=frozenset(line.line.name for line in lines),
                dc09=None if settings.dc09 is None else (settings.dc09, settings.secrets),
                scaip=settings.scaip,
            )
            for line in lines:
                line.start()
                stack.push_async_callback(asyncio.to_thread, line.stop)
            if broker is not None:
                broker.reading = lambda: mqtt.reading
            mqtt.start()
            stack.push_async_callback(asyncio.to_thread, mqtt.stop)
            stack.push_async_callback(bridges.stop)
            ways_in.append(bridges)

            # Who tells a home assistant
            announcer = Announcer(
                engine,
                journal,
                store.latest,
                lambda: views.directory,
                lambda: gateway_address(settings.broker, password, community, "announce", itself),
                self.clock,
                said=outbox.wake,
            )
            stack.push_async_callback(_end, self._start(announcer.run(), "announcer"))
            announcers.append(announcer)
            stack.push_async_callback(_end, self._start(modems.run(), "modems"))
            trunks.start()
            stack.push_async_callback(trunks.stop)
            rebuild(views.directory or directory)

            sending = self._start(outbox.run(), "outbox")
            stack.push_async_callback(_end_outbox, outbox, sending)

            stack.push_async_callback(_end, self._start(answers.run(), "answers"))

            # What the control room sees of it
            def ground() -> Ground | None:
                return None if views.directory is None else ground_of(views.directory)

            chronicled = ChronicleRows(engine, store_key(settings))
            pen = Pen(store, journal.quarantine, self.clock)
            chronicler = Chronicler(
                chronicled,
                pen,
                self.feed,
                self.clock,
                ground=ground,
                leads=lambda: decider.leads,
                kept_ms=kept_ms(settings),
            )
            stack.push_async_callback(_end, self._start(chronicler.run(), "chronicle"))

            # Who looks on
            organs = Organs(
                journal=journal,
                decider=decider,
                outbox=outbox,
                writer=writer,
                intake=intake,
                broker=broker,
                mqtt=mqtt,
                lines=lines,
                bridges=bridges,
                announcer=announcer,
                feed=self.feed,
                outside=lambda: paths(ways_out),
                modems=modems.health,
                trunks=trunks.health,
                chronicle=chronicler.health,
                missing_secrets=lambda: missing_secrets(
                    views.directory.community if views.directory is not None else directory.community, settings.secrets
                ),
                clock=self.clock,
            )
            checkup = Checkup(organs)
            record = RecordAudit(engine, self.clock)
            stack.push_async_callback(_end, self._start(record.run(), "record audit"))
            figures = Figures(organs, checkup, self.clock, record.trouble)
            watcher = Watcher(
                figures.look,
                lambda: views.directory.itself if views.directory is not None else None,
                lambda: emergency_line(ways_out),
                journal,
                receipts,
                own_memory,
                self.clock,
                steady_ms,
            )
            checkup.watched_by(watcher.part)
            modem_watcher = ModemWatcher(
                modems.health,
                lambda: views.directory.devices if views.directory is not None else {},
                journal,
                receipts,
                modem_memories,
                self.clock,
                steady_ms,
            )
            stack.push_async_callback(_end, self._start(modem_watcher.run(), "modems seen"))
            stack.push_async_callback(_end, self._start(watcher.run(), "self-observation"))

            looks = Looks(
                chronicled,
                pen,
                self.clock,
                Sources(
                    gateway=itself,
                    parts=checkup.parts,
                    backlog=figures.lanes,
                    oldest_s=figures.undecided_s,
                    waited=decider.health.take_waited,
                ),
                ground=ground,
                leads=lambda: decider.leads,
                kept_ms=kept_ms(settings),
            )
            stack.push_async_callback(_end, self._start(looks.run(), "chronicle of what is"))

            # Who outside would miss it
            dead_man: DeadMan | None = None
            if settings.dead_man.url:
                wellness = Wellness(organs, checkup, figures.undecided_s, self.clock)
                dead_man = DeadMan(
                    settings.dead_man,
                    settings.secrets,
                    wellness,
                    community,
                    itself,
                    self.clock,
                    steady_ms,
                    record=record.told_outside,
                )
                checkup.watched_by(dead_man.part)
                stack.push_async_callback(_end, self._start(dead_man.run(), "heartbeat"))
            backtests = Backtests(self.clock)
            stack.push_async_callback(backtests.close)
            context = Context(
                engine=engine,
                clock=self.clock,
                decider=decider,
                store=store,
                feed=self.feed,
                directory=lambda: views.directory,
                health=checkup.parts,
                metrics=metrics_registry(organs, checkup, dead_man),
                quarantined=journal.quarantined,
                said=outbox.wake,
                settings=settings,
                backtests=backtests,
                answers=answers,
                push=PushDoor(engine, lambda: views.directory, intake, gear, receipts, self.clock),
                stopping=self._stopping,
            )
            await self._serve(context, on_ready)

    async def _broker(self, stack: contextlib.AsyncExitStack) -> tuple[ManagedBroker | None, str | None]:
        settings = self.settings.broker
        secrets = self.settings.secrets
        if not settings.managed:
            return None, secrets.get(settings.password_secret) if settings.username is not None else None
        users = ensure_broker_users(secrets, gateway_secret=settings.password_secret)
        if settings.username not in users:
            raise NotConfigured(
                f"broker.username is {settings.username!r}; the managed broker knows {', '.join(users)}: "
                "leave it out, or set broker.managed: false for a broker of your own"
            )
        broker = ManagedBroker(
            self.settings.data_dir, settings.host, settings.port, users, receive_maximum=settings.receive_maximum
        )
        await asyncio.to_thread(broker.start)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        settings.port = broker.port
        return broker, users[settings.username]

    def _own_url(self) -> str:
        return f"http://{self.settings.api.host}:{self.settings.api.port}"

    async def _serve(self, context: Context, on_ready: Callable[[Gateway], None]) -> None:
        api = self.settings.api
        try:
            listener = socket.create_server((api.host, api.port))
        except OSError as error:
            raise NotConfigured(
                f"api.port: {api.host}:{api.port} cannot be used ({error.strerror}; {who_listens(api.port)}): "
                "end that program, or set another api.port"
            ) from error
        self.url = f"http://{api.host}:{listener.getsockname()[1]}"
        app = create_api(context)
        add_console(app)
        config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=STREAMS_END_S)
        server = _Server(config)
        serving = self._start(server.serve(sockets=[listener]), "api")
        log.info("console: %s", self.url)
        # Only now: a token that nobody gets to see would lock everybody out.
        self.first_token = _first_token(context.engine, self.clock)
        on_ready(self)
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait({stopping, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        server.should_exit = True
        await asyncio.wait({serving})
        stopping.cancel()
        for task in done & set(self._tasks):
            task.result()  # a part that ended by itself ended by an error: it is not hidden

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        return task

    def _publish(self, changed: Changed) -> None:
        cases = (News("case", case) for case in sorted(changed.cases))
        self.feed.publish(*cases, *(News("device", device) for device in sorted(changed.devices)))


def _give_up(leadership: Leadership) -> None:
    """The next gateway need not wait. Where the database is gone it waits, which is no harm."""
    with contextlib.suppress(sa.exc.SQLAlchemyError):
        leadership.give_up()


def _reported(outbox: OutboxWorker, key: str, fate: Fate, words: str) -> None:
    """A delivery report: the outbox hears what is final."""
    if fate is not Fate.TRYING:
        outbox.settle(key, report_of(fate, words))


class _Server(uvicorn.Server):
    """Leaves signals to the gateway, which has more to end than its HTTP server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _ignore(_: object) -> None:
    """What a callback returns and nobody needs."""


def _first_token(engine: sa.Engine, clock: Clock) -> str | None:
    with engine.begin() as connection:
        if connection.execute(sa.select(sa.func.count()).select_from(t.tokens)).scalar_one():
            return None
        return create_token(connection, "admin", "admin", clock.now_ms())


def _quarantine(journal: Journal, item: Quarantined) -> None:
    def done(outcome: Outcome) -> None:
        if outcome is Outcome.REFUSED:
            log.error("not even the quarantine could take %s of %s: %s", item.reason, item.device, item.hint)

    journal.quarantine(item, done)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _end_outbox(outbox: OutboxWorker, task: asyncio.Task[None]) -> None:
    outbox.stop()
    await asyncio.wait({task})


async def serve(settings: Settings, on_ready: Callable[[Gateway], None] = lambda _: None) -> None:
    """Run a gateway until SIGINT or SIGTERM."""
    sys.setswitchinterval(THREAD_TURN_S)
    gateway = Gateway(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, gateway.stop)
    await gateway.run(on_ready)
