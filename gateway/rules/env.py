"""What compiled expressions ask at run time: facts, personal limits, the local calendar, what a message is like."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from devices.observation import Observation
from gateway.rules.forms import DeviceInfo, Fact
from gateway.rules.schedule import local_calendar
from gateway.rules.terms import MAX_NUMBER

_NOWHEN = ZoneInfo("UTC")


class Env:
    """One instant at one device. Cheap to make: everything is looked up when it is asked for."""

    __slots__ = ("_observation", "at_ms", "device", "zone")

    def __init__(self, device: DeviceInfo | None, at_ms: int, zone: ZoneInfo, observation: Observation | None = None):
        self.device = device
        self.at_ms = at_ms
        self.zone = zone
        self._observation = observation

    # facts

    def fact(self, name: str) -> Fact | None:
        """A fact of the device, its place or its resident by dotted name; None where it is not known."""
        return None if self.device is None else self.device.facts.get(name)

    def number(self, name: str) -> float | None:
        """A fact that is a number; None where it is another thing, not finite, or too large to reckon with."""
        value = self.fact(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
            return None
        return float(value)

    def text(self, name: str) -> str | None:
        """A fact that is a text; None where it is another thing."""
        value = self.fact(name)
        return value if isinstance(value, str) else None

    def truth(self, name: str) -> bool | None:
        """A fact that is true or false; None where it is another thing."""
        value = self.fact(name)
        return value if isinstance(value, bool) else None

    def limit(self, name: str, default: float) -> float:
        """The resident's own limit where one is valid now, else the rule's."""
        for one in () if self.device is None else self.device.limits:
            if one.name == name and one.valid(self.at_ms):
                return one.value
        return default

    # local time

    def hour(self) -> float:
        """The full hour, 0 to 23."""
        return local_calendar(self.at_ms, self.zone).hour

    def weekday(self) -> float:
        """1 for Monday to 7 for Sunday."""
        return local_calendar(self.at_ms, self.zone).weekday

    def month(self) -> float:
        """1 to 12."""
        return local_calendar(self.at_ms, self.zone).month

    def year(self) -> float:
        """The year, 1970 to 9999."""
        return local_calendar(self.at_ms, self.zone).year

    def workday(self) -> bool:
        """Whether people work that day in China: holidays and make-up days counted."""
        return local_calendar(self.at_ms, self.zone).workday

    # the message

    def late(self) -> float | None:
        """How late the message came, in seconds; None where time alone asks."""
        return None if self._observation is None else self._observation.late_by_ms / 1000

    def clock_suspect(self) -> float | None:
        """1 where the device's clock cannot be right, else 0; None where time alone asks."""
        return None if self._observation is None else float(self._observation.clock_suspect)


class Timeless(Env):
    """A device by itself, at no instant: what has to do with time, or with a message, is unknown."""

    __slots__ = ()

    def __init__(self, device: DeviceInfo) -> None:
        super().__init__(device, 0, _NOWHEN)

    def _unknown(self) -> None:
        return None

    hour = weekday = month = year = workday = _unknown  # type: ignore[assignment]  # Env always knows the time
