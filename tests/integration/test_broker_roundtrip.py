"""The bench's measure of the bare broker works on both brokers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.broker_roundtrip import measure
from gateway.transports.broker_found import BrokerKind
from tests.support.mqtt import MOSQUITTO, NATS, Site

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("kind", [MOSQUITTO, NATS])
def test_measures_each_message(tmp_path: Path, kind: BrokerKind) -> None:
    with Site(tmp_path, kind) as site:
        latencies = measure("127.0.0.1", site.broker.port, "gateway", site.users["gateway"], 50)
        assert len(latencies) == 50
        assert all(0 < latency < 5 for latency in latencies)
