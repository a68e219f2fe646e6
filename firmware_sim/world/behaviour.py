"""How a simulated party behaves, settable while it runs."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field
from starlette.requests import Request

from firmware_sim.yamlfile import Strict

Delay = Annotated[float, Field(ge=0, le=3600)]
Times = Annotated[int, Field(ge=1, le=1_000_000)]


class Behaviour(Strict):
    """A behaviour that wears off after ``times`` callers."""

    delay_s: Delay = 0.0
    times: Times | None = None


class CentreBehaviour(Behaviour):
    """What the 120 centre does with the next ``times`` calls (None: with all of them)."""

    mode: Literal["answer", "refuse", "busy", "hang", "crash_after_accept"] = "answer"


class InboxBehaviour(Behaviour):
    """What a messenger endpoint does with the next ``times`` messages (None: with all of them)."""

    mode: Literal["ok", "fail", "hang", "slow"] = "ok"
    status: Annotated[int, Field(ge=300, le=599)] = 500
    """What ``fail`` answers; ``slow`` takes ``delay_s``."""


_Behaviour = TypeVar("_Behaviour", bound=Behaviour)


class Mood(Generic[_Behaviour]):
    """The behaviour in force, and when it wears off."""

    def __init__(self, usual: _Behaviour) -> None:
        self._usual = usual
        self.now = usual

    def set(self, behaviour: _Behaviour) -> None:
        """Behave so from now on."""
        self.now = behaviour

    def next(self) -> _Behaviour:
        """The behaviour towards the next caller; counts ``times`` down to the usual one."""
        current = self.now
        if current.times is not None:
            left = current.times - 1
            self.now = current.model_copy(update={"times": left}) if left else self._usual
        return current


async def until_hung_up(request: Request) -> None:
    """Never answer: wait until the caller gives up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass  # the rest of a body
