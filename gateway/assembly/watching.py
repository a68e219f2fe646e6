"""Who looks on: the control room's chronicle, the checkup of every part, the record's audit, what the gateway says of
itself, and the heartbeat to outside. None of them stands in the way of what they look at."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.assembly.deciding import Deciding
from gateway.assembly.parts import Parts
from gateway.assembly.records import Records
from gateway.assembly.saying import Saying
from gateway.assembly.ways_in import WaysIn
from gateway.checkup import Checkup, Organs
from gateway.chronicle.chronicler import Chronicler
from gateway.chronicle.ground import Ground, ground_of
from gateway.chronicle.looks import Looks, Sources
from gateway.chronicle.pen import Pen
from gateway.chronicle.rows import ChronicleRows, kept_ms, store_key
from gateway.clock import Clock, steady_ms
from gateway.feed import Feed
from gateway.itself.dead_man import DeadMan
from gateway.itself.figures import Figures
from gateway.itself.modems import ModemWatcher
from gateway.itself.watcher import Watcher
from gateway.itself.wellness import Wellness
from gateway.outbox.channels.build import emergency_line, paths
from gateway.record.audit import RecordAudit
from gateway.registry.directory import CommunityDirectory
from gateway.registry.secrets import missing_secrets
from gateway.settings import Settings
from gateway.store.writer import StoreWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What the API and the metrics need of those who look on."""

    organs: Organs
    checkup: Checkup
    dead_man: DeadMan | None
    """None where nobody outside waits for a heartbeat."""


def start_watching(
    settings: Settings,
    clock: Clock,
    feed: Feed,
    records: Records,
    deciding: Deciding,
    writer: StoreWriter,
    ways_in: WaysIn,
    saying: Saying,
    parts: Parts,
) -> Watching:
    """Begin to look at all of these, and to say and write down what is seen."""
    chronicle = _Chronicle(settings, clock, records, deciding)
    chronicler = chronicle.of_cases(feed)
    parts.start(chronicler.run(), "chronicle")
    views = deciding.views

    def registry() -> CommunityDirectory:
        assert views.directory is not None  # a gateway without one does not come so far
        return views.directory

    organs = Organs(
        journal=records.journal,
        decider=deciding.decider,
        outbox=deciding.outbox,
        writer=writer,
        intake=ways_in.intake,
        broker=ways_in.broker,
        mqtt=ways_in.mqtt,
        lines=ways_in.lines,
        bridges=ways_in.bridges,
        announcer=saying.announcer,
        feed=feed,
        outside=lambda: paths(saying.following.channels()),
        modems=saying.telephone.modems.health,
        trunks=saying.telephone.trunks.health,
        chronicle=chronicler.health,
        missing_secrets=lambda: missing_secrets(registry().community, settings.secrets),
        clock=clock,
    )
    checkup = Checkup(organs)
    record = RecordAudit(records.engine, clock)
    parts.start(record.run(), "record audit")
    figures = Figures(organs, checkup, clock, record.trouble)
    watcher = Watcher(
        figures.look,
        lambda: registry().itself,
        lambda: emergency_line(saying.following.channels()),
        records.journal,
        ways_in.receipts,
        ways_in.memory,
        clock,
        steady_ms,
    )
    checkup.watched_by(watcher.part)
    modems = ModemWatcher(
        organs.modems,
        lambda: registry().devices,
        records.journal,
        ways_in.receipts,
        ways_in.modem_memories,
        clock,
        steady_ms,
    )
    parts.start(modems.run(), "modems seen")
    parts.start(watcher.run(), "self-observation")
    looks = chronicle.of_what_is(
        Sources(
            gateway=settings.gateway_device,
            parts=checkup.parts,
            backlog=figures.lanes,
            oldest_s=figures.undecided_s,
            waited=deciding.decider.health.take_waited,
        )
    )
    parts.start(looks.run(), "chronicle of what is")
    dead_man: DeadMan | None = None
    if settings.dead_man.url:
        dead_man = DeadMan(
            settings.dead_man,
            settings.secrets,
            Wellness(organs, checkup, figures.undecided_s, clock),
            ways_in.community,
            settings.gateway_device,
            clock,
            steady_ms,
            record=record.told_outside,
        )
        checkup.watched_by(dead_man.part)
        parts.start(dead_man.run(), "heartbeat")
    return Watching(organs=organs, checkup=checkup, dead_man=dead_man)


class _Chronicle:
    """Two chroniclers with one pen: what becomes of cases, and how everything is."""

    def __init__(self, settings: Settings, clock: Clock, records: Records, deciding: Deciding) -> None:
        self._clock = clock
        self._deciding = deciding
        self._rows = ChronicleRows(records.engine, store_key(settings))
        self._pen = Pen(records.store, records.journal.quarantine, clock)
        self._kept_ms = kept_ms(settings)

    def of_cases(self, feed: Feed) -> Chronicler:
        return Chronicler(
            self._rows, self._pen, feed, self._clock, ground=self._ground, leads=self._leads, kept_ms=self._kept_ms
        )

    def of_what_is(self, sources: Sources) -> Looks:
        return Looks(
            self._rows, self._pen, self._clock, sources, ground=self._ground, leads=self._leads, kept_ms=self._kept_ms
        )

    def _ground(self) -> Ground | None:
        directory = self._deciding.views.directory
        return None if directory is None else ground_of(directory)

    def _leads(self) -> bool:
        return self._deciding.decider.leads
