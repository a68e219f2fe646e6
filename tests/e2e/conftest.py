"""One running gateway for the tests that do not need to kill it: each takes a home of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.gateway import RunningGateway
from tests.support.homes import community
from tests.support.outside import FieldBus, OutsideWorld
from tests.support.radio import Radio

HOMES = 12


@pytest.fixture(scope="module")
def world() -> Iterator[OutsideWorld]:
    with OutsideWorld() as world:
        yield world


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FieldBus]:
    with FieldBus(tmp_path_factory.mktemp("bus")) as bus:
        yield bus


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, world: OutsideWorld, bus: FieldBus) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("gateway"), world, community=community(HOMES), bus=bus) as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def home() -> Callable[[], int]:
    """The number of a home that no test of this module has used."""
    numbers = itertools.count(1)

    def take() -> int:
        number = next(numbers)
        assert number <= HOMES, "raise HOMES"
        return number

    return take
