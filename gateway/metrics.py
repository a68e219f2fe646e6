"""Figures for Prometheus, read from the parts when asked. No personal data and no unbounded labels."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.checkup import Checkup, Organs
from gateway.itself.dead_man import DeadMan
from gateway.outbox.voice import CallEnd


def metrics_registry(organs: Organs, checkup: Checkup, dead_man: DeadMan | None = None) -> CollectorRegistry:
    """A registry of its own, so that two gateways in one process do not meet in a global one."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Figures(organs, checkup, dead_man))
    return registry


class _Figures(Collector):
    def __init__(self, organs: Organs, checkup: Checkup, dead_man: DeadMan | None) -> None:
        self._organs = organs
        self._checkup = checkup
        self._dead_man = dead_man

    def describe(self) -> list[Metric]:
        """Nothing in advance: the figures are read when they are asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._parts()
        yield from self._of_journal()
        yield from self._of_intake()
        yield from self._of_transports()
        yield from self._of_decisions()
        yield from self._of_outbox()
        yield from self._of_modems()
        yield from self._of_trunks()
        yield from self._of_store()
        yield from self._of_chronicle()
        yield from self._of_heartbeat()
        yield GaugeMetricFamily("anju_watchers", "Open event streams", value=self._organs.feed.watchers)

    def _parts(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("anju_part_ok", "1 when the part is well, 0.5 degraded, 0 failed", labels=["part"])
        for part in self._checkup.parts():
            state.add_metric([part.name], {"ok": 1.0, "degraded": 0.5, "failed": 0.0}[part.state])
        yield state

    def _of_journal(self) -> Iterator[Metric]:
        stats = self._organs.journal.stats()
        stored = CounterMetricFamily("anju_journal_entries", "Observations by lane and fate", labels=["lane", "fate"])
        lag = GaugeMetricFamily("anju_journal_lag", "Entries a reader has still to read", labels=["lane", "reader"])
        size = GaugeMetricFamily("anju_journal_bytes", "Bytes on disk", labels=["lane"])
        for lane, figures in stats.lanes.items():
            totals = figures.totals
            for fate, count in (
                ("accepted", totals.accepted),
                ("duplicate", totals.duplicates),
                ("reused_id", totals.reused_ids),
                ("refused", figures.refused),
                ("dropped_unread", totals.dropped_unread),
            ):
                stored.add_metric([lane.value, fate], count)
            for reader, entries in figures.lag.items():
                lag.add_metric([lane.value, reader], entries)
            size.add_metric([lane.value], figures.bytes_on_disk)
        quarantined = CounterMetricFamily("anju_quarantined", "Messages kept in quarantine", labels=["reason"])
        for reason, count in stats.quarantine.counts.items():
            quarantined.add_metric([reason], count)
        yield from (stored, lag, size, quarantined)
        yield GaugeMetricFamily("anju_disk_free_bytes", "Free disk at the journal", value=stats.disk_free_bytes)

    def _of_intake(self) -> Iterator[Metric]:
        outcomes = CounterMetricFamily(
            "anju_messages", "Messages by transport and outcome", labels=["transport", "outcome"]
        )
        faults = CounterMetricFamily("anju_faults", "Faults found in messages", labels=["transport", "reason"])
        for stats in self._organs.intake.stats():
            for outcome, count in stats.outcomes.items():
                outcomes.add_metric([stats.transport, outcome.value], count)
            for reason, count in stats.faults.items():
                faults.add_metric([stats.transport, reason], count)
        yield from (outcomes, faults)

    def _of_transports(self) -> Iterator[Metric]:
        health = self._organs.mqtt.health
        up = GaugeMetricFamily("anju_mqtt_connected", "1 while the lane's connection is up", labels=["lane"])
        events = CounterMetricFamily("anju_mqtt_events", "What happened on the connections", labels=["lane", "what"])
        gear = [bridge.lane for bridge in self._organs.bridges.health() if bridge.lane is not None]
        for lane in (health.urgent, health.routine, *gear):
            up.add_metric([lane.name], float(lane.connected))
            for what in ("reconnects", "takeovers", "received", "acks", "redeliveries", "refused", "late_acks"):
                events.add_metric([lane.name, what], getattr(lane, what))
        frames = CounterMetricFamily("anju_serial_frames", "Frames by line and what they were", labels=["line", "what"])
        for transport in self._organs.lines:
            line = transport.health()
            for what, count in (*line.frames_ok.items(), *line.frames_bad.items()):
                frames.add_metric([line.line, str(what)], count)
        yield from (up, events, frames)

    def _of_decisions(self) -> Iterator[Metric]:
        decided = CounterMetricFamily("anju_decided", "Observations decided", labels=["lane"])
        for lane, count in self._organs.decider.health.decided.items():
            decided.add_metric([lane], count)
        yield decided
        view = self._organs.decider.view
        if view is not None:
            skipped = CounterMetricFamily("anju_rule_skipped", "Not considered by a rule", labels=["rule", "reason"])
            for (rule, reason), count in dict(view.rules.skipped).items():
                skipped.add_metric([rule, reason], count)
            yield skipped
        health = self._organs.decider.health
        yield CounterMetricFamily(
            "anju_undecidable", "Observations, timers and deliveries on which the code failed", value=health.undecidable
        )
        yield CounterMetricFamily(
            "anju_timers_repaired", "Lost timers that the auditor set again: each is a defect", value=health.repaired
        )
        yield GaugeMetricFamily(
            "anju_decider_stalled_seconds",
            "Since the decider was last seen at work",
            value=self._organs.decider.stalled_s,
        )

    def _of_outbox(self) -> Iterator[Metric]:
        health = self._organs.outbox.health()
        yield GaugeMetricFamily("anju_outbox_waiting", "Messages waiting to be sent", value=health.waiting)
        yield GaugeMetricFamily("anju_outbox_in_flight", "Messages being sent", value=health.in_flight)
        yield GaugeMetricFamily("anju_outbox_overdue", "Messages due for a minute and longer", value=health.overdue)
        yield GaugeMetricFamily("anju_outbox_overdue_seconds", "Age of the oldest overdue", value=health.oldest_due_s)
        sent = CounterMetricFamily(
            "anju_outbox_attempts", "Attempts by channel and result", labels=["channel", "result"]
        )
        for name, channel in health.channels.items():
            sent.add_metric([name, "delivered"], channel.delivered)
            sent.add_metric([name, "failed"], channel.failed)
        yield sent

    def _of_trunks(self) -> Iterator[Metric]:
        lines = GaugeMetricFamily("anju_sip_lines", "Lines of a SIP trunk by state", labels=["trunk", "state"])
        registered = GaugeMetricFamily("anju_sip_registered", "1 while the trunk has us registered", labels=["trunk"])
        calls = CounterMetricFamily("anju_sip_calls", "Calls over a SIP trunk by end", labels=["trunk", "end"])
        restarts = CounterMetricFamily("anju_sip_restarts", "Lines that were started again", labels=["trunk"])
        for trunk in self._organs.trunks():
            lines.add_metric([trunk.name, "up"], trunk.up)
            lines.add_metric([trunk.name, "free"], trunk.free)
            if trunk.registered is not None:
                registered.add_metric([trunk.name], float(trunk.registered))
            for end in CallEnd:
                calls.add_metric([trunk.name, end.value], trunk.calls.get(end, 0))
            restarts.add_metric([trunk.name], sum(line.restarts for line in trunk.lines))
        yield from (lines, registered, calls, restarts)

    def _of_modems(self) -> Iterator[Metric]:
        ready = GaugeMetricFamily("anju_modem_ready", "1 while a modem can call and send", labels=["modem"])
        signal = GaugeMetricFamily("anju_modem_signal_dbm", "Strength of its cell (RSSI)", labels=["modem"])
        events = CounterMetricFamily("anju_modem_events", "What a modem did", labels=["modem", "what"])
        for modem in self._organs.modems():
            ready.add_metric([modem.name], float(modem.ready))
            if modem.signal_dbm is not None:
                signal.add_metric([modem.name], modem.signal_dbm)
            for what in ("calls", "calls_failed", "sms_sent", "sms_failed", "sms_received", "resets", "noise"):
                events.add_metric([modem.name, what], getattr(modem, what))
        yield from (ready, signal, events)

    def _of_store(self) -> Iterator[Metric]:
        health = self._organs.writer.health()
        yield GaugeMetricFamily("anju_store_lag", "Entries not yet written to the store", value=health.lag_entries)
        yield CounterMetricFamily("anju_store_points", "Points written", value=health.points_written)
        yield CounterMetricFamily("anju_store_refused", "Observations refused in part", value=health.points_refused)

    def _of_chronicle(self) -> Iterator[Metric]:
        health = self._organs.chronicle()
        if health is None:
            return
        yield GaugeMetricFamily("anju_chronicle_behind", "Cases not yet written to the store", value=health.behind)
        yield CounterMetricFamily("anju_chronicle_points", "Points of cases and gauges written", value=health.written)
        yield CounterMetricFamily("anju_chronicle_refused", "Points refused in part", value=health.refused)

    def _of_heartbeat(self) -> Iterator[Metric]:
        dead_man = self._dead_man
        if dead_man is None:
            return
        beats = CounterMetricFamily("anju_heartbeats", "Heartbeats to outside by result", labels=["result"])
        beats.add_metric(["delivered"], dead_man.delivered)
        beats.add_metric(["failed"], dead_man.failed)
        withheld = GaugeMetricFamily(
            "anju_heartbeat_withheld", "1 for each part because of which no heartbeat goes out", labels=["part"]
        )
        for part in sorted({reason.part for reason in dead_man.withheld}):
            withheld.add_metric([part], 1)
        yield from (beats, withheld)
        if dead_man.silent_s is not None:
            yield GaugeMetricFamily(
                "anju_heartbeat_silent_seconds", "Since the last heartbeat got through", value=dead_man.silent_s
            )
