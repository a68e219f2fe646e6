"""What is acknowledged to the broker, and when: the promise that no press is lost between broker and journal."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from gateway.journal.entry import Outcome
from gateway.transports.broker_found import BrokerKind
from tests.support.eventually import PATIENCE, eventually
from tests.support.mqtt import MOSQUITTO, NATS, Offered, Offers, Site, connected, hold

pytestmark = pytest.mark.broker
both = pytest.mark.parametrize("kind", [MOSQUITTO, NATS])


@both
def test_unacknowledged_until_done_and_then_for_ever(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        first = Offers(hold)
        gateway = site.gateway(first)
        site.device().say_acknowledged("event", "press")
        eventually(lambda: first.payloads == ["press"])
        assert gateway.health.urgent.unanswered == 1
        assert gateway.health.urgent.acks == 0
        gateway.stop(0)  # as if it had died before the fsync

        second = Offers()
        gateway = site.gateway(second)
        eventually(lambda: second.payloads == ["press"], 10, "redelivered")
        eventually(lambda: gateway.health.urgent.acks == 1)
        assert gateway.health.urgent.redeliveries == 1, "a duplicate passes through, marked"
        gateway.stop()

        third = Offers()
        site.gateway(third)
        site.device("sos-2").say_acknowledged("event", "another")
        eventually(lambda: third.payloads == ["another"], 10, "and the acknowledged one does not come again")


@both
@pytest.mark.parametrize("outcome", [Outcome.STORED, Outcome.DUPLICATE, Outcome.QUARANTINED])
def test_every_durable_outcome_is_acknowledged(tmp_path: Path, kind: BrokerKind, outcome: Outcome) -> None:
    with Site(tmp_path, kind) as site:
        gateway = site.gateway(Offers(lambda _: outcome))
        site.device().say("event", "press")
        site.device("t-1").say("telemetry", "72")
        eventually(lambda: gateway.health.urgent.acks == 1 and gateway.health.routine.acks == 1)
        assert gateway.health.urgent.reconnects == 0


@both
def test_refused_comes_again_on_a_new_connection(tmp_path: Path, kind: BrokerKind) -> None:
    answers = iter([Outcome.REFUSED, Outcome.REFUSED, Outcome.STORED])
    with Site(tmp_path, kind) as site:
        offers = Offers(lambda _: next(answers))
        gateway = site.gateway(offers)
        site.device().say_acknowledged("event", "press")
        eventually(lambda: offers.payloads == ["press"] * 3, 10, "offered until it was taken")
        eventually(lambda: gateway.health.urgent.acks == 1)
        urgent = gateway.health.urgent
        assert urgent.refused == 2
        eventually(lambda: gateway.health.urgent.reconnects >= 1)
        assert "refused" in urgent.why
        assert gateway.health.routine.reconnects == 0


@both
def test_late_done_is_never_sent_on_the_next_connection(tmp_path: Path, kind: BrokerKind) -> None:
    """paho by itself would send it there: it acknowledges a message id, and the new connection uses the same ids."""
    with Site(tmp_path, kind) as site:
        offers = Offers(
            lambda message: Outcome.REFUSED if message.payload == b"second" and len(offers.all) == 2 else None
        )
        gateway = site.gateway(offers)
        device = site.device()
        device.say_acknowledged("event", "first")
        eventually(lambda: offers.payloads == ["first"])
        device.say_acknowledged("event", "second")
        eventually(lambda: sorted(offers.payloads) == ["first", "first", "second", "second"], 10, "both came again")
        eventually(lambda: gateway.health.urgent.connected)

        offers.all[0].done(Outcome.STORED)  # of the first connection
        assert gateway.health.urgent.late_acks == 1
        assert gateway.health.urgent.acks == 0
        gateway.stop(0)

        after = Offers()
        site.gateway(after)
        eventually(lambda: sorted(after.payloads) == ["first", "second"], 10, "the broker still has both")


def test_refused_with_qos_0_is_counted_as_lost_and_does_not_disturb(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        gateway = site.gateway(Offers(lambda _: Outcome.REFUSED))
        site.device().say("telemetry", "72", qos=0)
        eventually(lambda: gateway.health.routine.refused_qos0 == 1)
        assert gateway.health.routine.connected


def test_a_failing_offer_counts_as_refused(tmp_path: Path) -> None:
    def fail_once(_message: Offered) -> Outcome:
        if len(offers.all) == 1:
            raise RuntimeError("a mistake in the intake")
        return Outcome.STORED

    with Site(tmp_path) as site:
        offers = Offers(fail_once)
        gateway = site.gateway(offers)
        site.device().say("event", "press")
        eventually(lambda: gateway.health.urgent.acks == 1, 10, "came again and was taken")
        assert gateway.health.urgent.refused == 1


def test_done_twice_counts_once(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        offers = Offers(hold)
        gateway = site.gateway(offers)
        site.device().say("event", "press")
        eventually(lambda: len(offers.all) == 1)
        offers.all[0].done(Outcome.STORED)
        offers.all[0].done(Outcome.STORED)
        assert gateway.health.urgent.acks == 1


@both
def test_stop_waits_for_the_journal_and_acknowledges(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        offers = Offers(hold)
        gateway = site.gateway(offers)
        site.device().say_acknowledged("event", "press")
        eventually(lambda: len(offers.all) == 1)
        stopping = threading.Thread(target=gateway.stop, args=(10.0,))
        stopping.start()
        offers.all[0].done(Outcome.STORED)
        stopping.join(10 * PATIENCE)
        assert not stopping.is_alive()
        assert gateway.health.urgent.acks == 1

        after = Offers()
        site.gateway(after)
        site.device("sos-2").say_acknowledged("event", "later")
        eventually(lambda: after.payloads == ["later"])


@both
def test_broker_killed_loses_nothing_unacknowledged(tmp_path: Path, kind: BrokerKind) -> None:
    """Presses are under way while the broker is killed. All that a device sent must be handed in, and what was not
    acknowledged when the broker died must come again from its disk."""
    with Site(tmp_path, kind) as site:
        offers = Offers(hold)
        gateway = site.gateway(offers)
        device = site.device()
        early = [f"early {number}" for number in range(20)]
        for text in early:
            device.say_acknowledged("event", text)
        eventually(lambda: len(offers.all) == 20)
        if kind is MOSQUITTO:
            eventually(lambda: not gateway.reading)
            database = tmp_path / "broker" / "mosquitto.db"
            eventually(lambda: database.exists() and database.read_bytes().count(b"early") >= 20, 10, "saved")

        late = [f"late {number}" for number in range(100)]
        pid = site.broker.health.pid
        assert pid is not None
        for number, text in enumerate(late):
            if number == 50:
                os.kill(pid, signal.SIGKILL)
            device.say("event", text)
        eventually(lambda: set(late) <= set(offers.payloads), 20, "the device's QoS 1 brought the rest")
        eventually(lambda: connected(gateway), 20)
        assert site.broker.health.restarts == 1
        eventually(lambda: all(offers.payloads.count(text) >= 2 for text in early), 20, "redelivered from disk")


@both
def test_what_comes_again_was_heard_before_only_if_it_was_handed_in(tmp_path: Path, kind: BrokerKind) -> None:
    """The broker has sent the second press, and the connection ends before it is read: it is a new press."""
    both_sent = threading.Event()

    def refuse_the_first(_message: Offered) -> Outcome:
        if len(offers.all) == 1:
            assert both_sent.wait(10 * PATIENCE)
            return Outcome.REFUSED
        return Outcome.STORED

    with Site(tmp_path, kind) as site:
        offers = Offers(refuse_the_first)
        gateway = site.gateway(offers)
        device = site.device()
        device.say_acknowledged("event", "first press")
        eventually(lambda: offers.payloads == ["first press"])
        device.say_acknowledged("event", "second press")
        both_sent.set()
        eventually(lambda: sorted(offers.payloads) == ["first press", "first press", "second press"], 10, "both came")
        again = {(one.payload, one.redelivered) for one in offers.all[1:]}
        assert again == {(b"first press", True), (b"second press", False)}
        if kind is MOSQUITTO:
            assert gateway.health.urgent.redeliveries == 2, "the broker says so of both"


def test_after_a_start_nobody_knows_what_the_process_before_had_heard(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        before = site.gateway(Offers(hold))
        site.device().say_acknowledged("event", "press")
        eventually(lambda: before.health.urgent.unanswered == 1)
        before.stop(0)
        after = Offers()
        site.gateway(after)
        eventually(lambda: [one.redelivered for one in after.all] == [True])
