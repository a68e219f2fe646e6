"""One erasure from order to end: written down, seen by every store writer, carried out, looked at, and closed.

Every step may be done again, so an erasure that was broken off is simply carried out once more.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.clock import Clock
from gateway.journal import erase as journal_erase
from gateway.settings import Settings
from gateway.store.erasures import Order, finish, not_yet_seen_by
from gateway.store.transfer.erase_embedded import EmbeddedErasure
from gateway.store.transfer.opening import embedded_file, open_source, token_of
from gateway.store.transfer.selection import Selection, Serving, Span
from gateway.store.transfer.source import Source, Tally

SEEN_WITHIN_S = 120.0
"""So long the store writers of running gateways are waited for; one whose store is away looks every 30 s."""
LOOK_EVERY_S = 0.2
READ_WITHIN_S = 10.0
"""Readers of the journal say every five seconds how far they are."""

Tell = Callable[[str, float], None]
"""What is being done, and how much of it is, 0 to 1."""


class NotSeen(Exception):
    """A running gateway has not taken notice of the order, so it was not carried out yet."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What an erasure would take away."""

    store: str
    spans: tuple[Span, ...]
    tally: Tally
    series: int | None = None
    """Of VictoriaMetrics, which cannot be asked for points: how many series."""


@dataclass(slots=True)
class Outcome:
    """What an erasure did."""

    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What is left, and why: to be told to whoever ordered it."""
    left: Tally = field(default_factory=Tally)

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return not self.left.points


class Eraser:
    """Blocking. Methods raise StoreUnavailable, CannotErase, ValueError, KeyError."""

    def __init__(self, settings: Settings, engine: sa.Engine, clock: Clock, kinds: Mapping[str, str]) -> None:
        """``kinds``: of devices, by id."""
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._kinds = kinds

    def preview(self, selection: Selection, tell: Tell) -> Preview:
        """Count what would go; changes nothing."""
        path = embedded_file(self._settings)
        if path is not None:
            with closing(EmbeddedErasure(path)) as erasure:
                spans = erasure.spans(selection)
            with closing(open_source(self._settings, self._kinds)) as source:
                return Preview(source.name, tuple(spans), _count(source, selection, tell))
        from gateway.store.transfer.erase_influx import InfluxErasure

        spans = spans_of(selection)
        with closing(InfluxErasure(self._settings.store, token_of(self._settings))) as server:
            if server.server.victoria:
                return Preview(
                    server.server.name, tuple(spans), Tally(), server.series(selection, spans, self._clock.now_ms())
                )
        with closing(open_source(self._settings, self._kinds)) as source:
            return Preview(source.name, tuple(spans), _count(source, selection, tell))

    def carry_out(self, order: Order, serving: Serving, tell: Tell) -> Outcome:
        """Do what was ordered, on this machine. Raises also NotSeen, JournalError."""
        selection = selection_of(order, serving)
        self._wait_until_seen(order, tell)
        outcome = Outcome()
        self._journal(order, outcome, tell)
        path = embedded_file(self._settings)
        if path is not None:
            self._embedded(order, selection, outcome, tell)
        else:
            self._server(order, selection, outcome, tell)
        finish(self._engine, order.id, outcome.counts, self._clock.now_ms() if outcome.done else None)
        return outcome

    def _wait_until_seen(self, order: Order, tell: Tell) -> None:
        here = self._settings.gateway_device
        runs = journal_erase.gateway_runs(self._settings.data_dir / "journal")
        end_s = time.monotonic() + SEEN_WITHIN_S
        while True:
            waiting = not_yet_seen_by(self._engine, order.id, self._clock.now_ms())
            if not runs:
                waiting = [name for name in waiting if name != here]
            if not waiting:
                return
            if time.monotonic() > end_s:
                raise NotSeen(
                    f"{', '.join(waiting)} has not taken notice within {SEEN_WITHIN_S:.0f} s, so nothing was erased "
                    "yet: look at its health, then run `anju store erase --resume`"
                )
            tell("等待网关知悉 waiting for the gateway to take notice", 0.0)
            time.sleep(LOOK_EVERY_S)

    def _journal(self, order: Order, outcome: Outcome, tell: Tell) -> None:
        directory = self._settings.data_dir / "journal"
        if not directory.exists():
            return
        tell("日志 journal", 0.0)
        spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for span in order.spans:
            spans[span.device].append((span.start_ms, span.end_ms))
        end_s = time.monotonic() + (READ_WITHIN_S if journal_erase.gateway_runs(directory) else 0.0)
        entries = quarantined = 0
        while True:
            emptied = journal_erase.erase(directory, spans)
            entries, quarantined = entries + emptied.entries, quarantined + emptied.quarantined
            if not emptied.unread or time.monotonic() > end_s:
                break
            time.sleep(1.0)
        outcome.counts |= {"journal": entries, "quarantine": quarantined}
        if emptied.unread:
            outcome.notes.append(
                f"日志中 {emptied.unread} 条尚未处理完，到期自动清除 {emptied.unread} entries of the journal are not "
                "yet read by all; they go by themselves when they are old (journal.keep_hours), or by `--again`"
            )

    def _embedded(self, order: Order, selection: Selection, outcome: Outcome, tell: Tell) -> None:
        path = embedded_file(self._settings)
        assert path is not None
        with closing(EmbeddedErasure(path)) as erasure:
            erasure.erase(selection, order.spans, lambda done: tell("删除 deleting", done))
            tell("改写文件 writing the file anew", 0.0)
            note = erasure.scrub(2 * self._settings.journal.reserve_mb * 2**20)
            outcome.counts |= dict(erasure.counts)
        if note:
            outcome.notes.append(note)
        if mixed := outcome.counts.get("mixed"):
            outcome.notes.append(
                f"{mixed} 个交接时刻的汇总同时含两人的数据，已一并删除 {mixed} minutes or hours in which the device "
                "changed hands held both people's readings and could not be told apart; they are gone"
            )
        self._look_again(selection, outcome, tell)

    def _server(self, order: Order, selection: Selection, outcome: Outcome, tell: Tell) -> None:
        from gateway.store.transfer.erase_influx import InfluxErasure
        from gateway.store.transfer.influx_source import InfluxSource

        token = token_of(self._settings)
        with closing(InfluxErasure(self._settings.store, token)) as server:
            if server.server.victoria:
                outcome.counts["series"] = server.erase_series(selection, order.spans, order.at_ms)
                outcome.notes.append("VictoriaMetrics frees the disk by and by, when it merges its files")
                return
            with closing(InfluxSource(self._settings.store, token)) as source:
                before = _count(source, selection, lambda _what, done: tell("清点 counting", done))
                server.erase(source, selection, order.spans, lambda done: tell("删除 deleting", done))
        outcome.counts |= {name: extent.values for name, extent in before.extents.items()}
        outcome.notes.append("InfluxDB overwrites nothing: the bytes go when it compacts its files, within hours")
        self._look_again(selection, outcome, tell)

    def _look_again(self, selection: Selection, outcome: Outcome, tell: Tell) -> None:
        with closing(open_source(self._settings, self._kinds)) as source:
            outcome.left = _count(source, selection, lambda _what, done: tell("核对 looking again", done))
        if not outcome.done:
            outcome.notes.append(
                f"还有 {outcome.left.values} 个数值 are still there: run `anju store erase --resume`; if they stay, "
                "look at the store's log"
            )


def _count(source: Source, selection: Selection, tell: Tell) -> Tally:
    tally = Tally()
    for helping in source.read(selection):
        tally.add(helping.points)
        tell("清点 counting", helping.done)
    return tally


def spans_of(selection: Selection) -> list[Span]:
    """All that is certain to go of what devices said."""
    if not selection.resident:
        return [Span(device, selection.start_ms, selection.end_ms) for device in sorted(selection.devices)]
    devices = selection.serving.devices_of(selection.resident)
    return [
        span
        for device in devices
        if not selection.devices or device in selection.devices
        for span in selection.certain(device)
    ]


def selection_of(order: Order, serving: Serving) -> Selection:
    """What an order is about."""
    return Selection(
        start_ms=order.start_ms,
        end_ms=order.end_ms,
        devices=frozenset(order.devices),
        resident=order.resident,
        serving=serving,
    )
