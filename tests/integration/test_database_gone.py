"""A PostgreSQL whose machine goes away without a word, and a process of ours that stops in the middle of its work."""

from __future__ import annotations

import socket
import time

import pytest
import sqlalchemy as sa

from gateway.state.db import open_database
from tests.integration.conftest import DATABASES

pytestmark = pytest.mark.skipif("postgresql" not in DATABASES, reason="there is no PostgreSQL here")


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        began = time.monotonic()
        with pytest.raises(sa.exc.OperationalError, match="timeout"):
            open_database(f"postgresql+psycopg://anju@127.0.0.1:{mute.getsockname()[1]}/anju?connect_timeout=2")
        assert time.monotonic() - began < 6, "what the URL says counts"


def test_a_machine_that_is_gone_and_a_process_that_holds_locks_keep_nobody_waiting(postgres_server: str) -> None:
    engine = open_database(f"{postgres_server}?keepalives_count=4")
    try:
        with engine.connect() as connection:
            held = connection.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar_one()
            driver = connection.connection.driver_connection
            assert driver is not None
            with socket.socket(fileno=socket.dup(driver.fileno())) as wire:
                options = {
                    name: wire.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
                    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
                }
    finally:
        engine.dispose()
    assert held == "1min"
    assert options == {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 20_000}
