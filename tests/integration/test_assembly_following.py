"""What follows the registry: bridges and ways out are those of the newest one; none is begun once it has stopped."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from devices.gear.memory import Memory
from gateway.assembly.following import Following
from gateway.assembly.records import Records
from gateway.assembly.telephone import make_telephone
from gateway.assembly.ways_in import WaysIn
from gateway.registry.directory import CommunityDirectory
from gateway.settings import BrokerSettings, Settings
from gateway.state.leadership import Leadership
from gateway.store.later import LaterStore
from gateway.transports.mqtt import gateway_address
from tests.support.eventually import eventually_async
from tests.support.homes import COMMUNITY, FAR_LINE, community
from tests.support.house import House, open_house


def street() -> dict[str, Any]:
    """A community with one bridge of gear, whose broker is not there."""
    return community(rungs=FAR_LINE) | {"bridges": [{"id": "street", "profile": "frigate"}]}


@contextlib.asynccontextmanager
async def following(house: House, directory: Path) -> AsyncIterator[tuple[Following, CommunityDirectory]]:
    settings, registry = Settings(data_dir=directory), house.views.directory
    assert registry is not None
    records = Records(
        engine=house.engine,
        journal=house.journal,
        store=LaterStore(lambda: house.store),
        leadership=Leadership(house.engine, house.clock, "gateway"),
    )
    ways_in = WaysIn(
        community=COMMUNITY,
        receipts=house.receipts,
        intake=house.intake,
        gear=house.gear,
        broker=None,
        mqtt=house.mqtt,
        lines=(),
        bridges=house.bridges,
        address=lambda name: gateway_address(BrokerSettings(port=1), None, COMMUNITY, name),
        memory=Memory(),
        modem_memories={},
        views=house.views,
    )
    async with contextlib.AsyncExitStack() as stack:
        answers = house.context.answers
        telephone = make_telephone(settings, house.clock, house.engine, answers, house.outbox, stack)
        made = Following(settings, house.clock, records, ways_in, telephone.telephony, house.outbox, house.announcer)
        stack.push_async_callback(house.bridges.stop)
        yield made, registry


async def test_nothing_is_begun_behind_the_back_of_who_ends_it(tmp_path: Path) -> None:
    async with open_house(tmp_path, street()) as house, following(house, tmp_path) as (follower, registry):
        follower.follow(registry)
        assert "device" in follower.channels()
        await eventually_async(lambda: [way.bridge for way in house.bridges.health()] == ["street"])
        follower.changed(registry)  # the registry changes while the gateway is being stopped
        await follower.stop()
        await house.bridges.stop()
        follower.changed(registry)
        await follower.stop()
        assert house.bridges.health() == []


async def test_a_registry_that_cannot_be_followed_is_said_and_the_one_before_it_stays_in_use(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_house(tmp_path, street()) as house, following(house, tmp_path) as (follower, registry):
        follower.follow(registry)
        before = follower.channels()
        ours = registry.community.channels[0].model_copy(update={"id": "device"})
        broken = registry.community.model_copy(update={"channels": (ours,)})
        follower.changed(CommunityDirectory(broken))
        assert "Anju's own name" in caplog.text
        assert follower.channels() is before
        await follower.stop()
