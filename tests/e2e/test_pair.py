"""Two gateways, one PostgreSQL, one broker: kill -9 of the one that leads, and the other goes on.

Whatever the broker took is in exactly one case; nobody is told twice without a word that it may be a repeat, and 120 is
called once.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.outbox.channels.apprise_messenger import REPEAT
from tests.support.broker import mosquitto
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import community
from tests.support.outbox import postgres
from tests.support.outside import OutsideWorld

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HOMES = 24


@pytest.fixture
def database() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, postgres(Path(directory)) as url:
        yield url


def presses(gateway: RunningGateway) -> Counter[str]:
    """How often each press stands in a case."""
    return Counter(
        one["message_id"]
        for case in gateway.cases()
        for line in gateway.case(case["id"])["timeline"]
        if line["what"] in ("opened", "alarm_repeated", "alarm_joined")
        for one in line["data"]["evidence"]
    )


def test_the_leader_is_killed_twice_and_nothing_is_lost_or_doubled(tmp_path: Path, database: str) -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(tmp_path / "broker"))
        world = stack.enter_context(OutsideWorld())
        home, other = (
            stack.enter_context(
                RunningGateway(
                    tmp_path / name,
                    world,
                    community=community(HOMES),
                    broker=broker,
                    database=database,
                    operator=name,
                    settings={"ANJU_GATEWAY_DEVICE": name, "ANJU_RANK": str(rank)},
                )
            )
            for rank, name in enumerate(("home", "other"))
        )
        radio = stack.enter_context(home.radio())
        said: list[str] = []
        keys = iter(range(1, HOMES + 1))

        def press(many: int) -> None:
            said.extend(radio.say(f"sos-{next(keys)}", "press") for _ in range(many))

        press(6)
        eventually(lambda: len(home.cases()) == 6, 20, "the one that leads decides")
        press(3)
        home.kill()  # with some of them decided, and some not
        press(3)
        eventually(lambda: len(other.cases()) == 12, 40, "the other goes on")
        case = next(case for case in other.cases() if case["stage"] == "opened")
        assert other.api.post(f"/api/v1/cases/{case['id']}/acknowledge", json={}).status_code == 200

        home.start()
        press(3)
        eventually(lambda: len(other.cases()) == 15, 20, "the one that leads goes on leading")
        waiting = next(case for case in home.cases() if case["stage"] == "opened")
        answer = home.api.post(f"/api/v1/cases/{waiting['id']}/acknowledge", json={})
        assert answer.status_code == 200, "who stands by hands it to the leader"
        assert answer.json()["case"]["owner"] == "operator:home"

        press(3)
        other.kill()
        press(6)
        eventually(lambda: len(home.cases()) == 24, 40, "and back")
        eventually(lambda: not unfinished(home), 60, "all is said")

        assert presses(home) == Counter(dict.fromkeys(said, 1))
        by_key: dict[str, list[str]] = {}
        for message in world.messages():
            by_key.setdefault(message.key, []).append(message.title)
        unmarked = {key: titles for key, titles in by_key.items() if not all(t.startswith(REPEAT) for t in titles[1:])}
        assert unmarked == {}
        calls = Counter(call.key.rpartition(":line:")[0] for call in world.calls)
        assert set(calls.values()) <= {1}, calls
        other.start()


def unfinished(gateway: RunningGateway) -> list[str]:
    return [
        row["key"]
        for status in ("pending", "sending")
        for row in gateway.api.get("/api/v1/outbox", params={"limit": 1000, "status": status}).json()
    ]
