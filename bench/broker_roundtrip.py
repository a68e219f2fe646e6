"""The bare broker: QoS 1 publish to subscriber, nothing of Anju between. The floor for every figure of the gateway.

``python -m bench.broker_roundtrip HOST PORT [USER PASSWORD]`` prints median and p99. Publish at our managed broker as
the user ``gateway``, who may read and write everything.
"""

from __future__ import annotations

import secrets
import statistics
import sys
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

PAYLOAD_BYTES = 145
"""The size of a press on the wire."""
ANSWER_WITHIN_S = 10.0


class BrokerDidNotAnswer(Exception):
    """No connection, no subscription, or a message that never came."""


def measure(host: str, port: int, user: str | None, password: str | None, n: int) -> list[float]:
    """Seconds from publish to reception for ``n`` messages, one after the other. Raises BrokerDidNotAnswer."""
    run = secrets.token_hex(4)
    topic = f"anju/bench/{run}"
    ready, arrived = threading.Event(), threading.Event()

    def client(name: str) -> paho.Client:
        made = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"bench-{name}-{run}", protocol=MQTTProtocolVersion.MQTTv311
        )
        made.username_pw_set(user, password)
        made.connect(host, port)
        return made

    def subscribe(client: paho.Client, *_: object) -> None:
        client.subscribe(topic, 1)

    subscriber, publisher = client("subscriber"), client("publisher")
    subscriber.on_connect = subscribe
    subscriber.on_subscribe = lambda *_: ready.set()
    subscriber.on_message = lambda *_: arrived.set()
    subscriber.loop_start()
    publisher.loop_start()
    try:
        if not ready.wait(ANSWER_WITHIN_S):
            raise BrokerDidNotAnswer(f"{host}:{port} grants no subscription to {topic}")
        latencies: list[float] = []
        payload = b"x" * PAYLOAD_BYTES
        for _ in range(n):
            arrived.clear()
            began = time.perf_counter()
            published = publisher.publish(topic, payload, qos=1)
            if not arrived.wait(ANSWER_WITHIN_S):
                raise BrokerDidNotAnswer(f"{host}:{port} did not deliver a message within {ANSWER_WITHIN_S:g} s")
            latencies.append(time.perf_counter() - began)
            # Only one at a time: the PUBACK of this one must not be part of the next.
            published.wait_for_publish(ANSWER_WITHIN_S)
        return latencies
    finally:
        for each in (publisher, subscriber):
            each.disconnect()
            each.loop_stop()


def main(arguments: list[str]) -> None:
    if len(arguments) not in (2, 4):
        raise SystemExit("usage: python -m bench.broker_roundtrip HOST PORT [USER PASSWORD]")
    user, password = arguments[2:] or (None, None)
    latencies = measure(arguments[0], int(arguments[1]), user, password, 500)
    median, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    sys.stdout.write(f"broker round trip, QoS 1: median {median * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms\n")


if __name__ == "__main__":
    main(sys.argv[1:])
