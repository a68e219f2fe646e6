"""Whose devices are whose: which devices speak of a subject, and of them those from which an input comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway.rules.compiled import Condition
from gateway.rules.env import Timeless
from gateway.rules.expression import Expression
from gateway.rules.forms import DeviceInfo, Devices, subject_of, supervision_s
from gateway.rules.states import Track


class Homes:
    """The devices of every subject, as the registry has them at present."""

    def __init__(self, devices: Devices, tracks: Mapping[str, Track]) -> None:
        """``tracks``: what is known of when each device was heard."""
        self._devices = devices
        self._tracks = tracks
        self._homes: dict[str, list[str]] = {}
        """Devices by subject: ``place:…``, ``resident:…``, ``device:…``."""
        self._linked: dict[tuple[str, str], list[str]] = {}
        """By (attribute, device): the devices whose attribute names it."""
        self._members: dict[tuple[str, str, str], tuple[str, ...]] = {}

    def settle(self, known: Iterable[DeviceInfo]) -> None:
        """The registry has these devices now."""
        self._homes, self._linked = {}, {}
        self._members.clear()
        for device in known:
            subjects = [f"device:{device.id}"]
            if device.place is not None:
                subjects.append(f"place:{device.place}")
            if device.resident is not None:
                subjects.append(f"resident:{device.resident}")
            for subject in subjects:
                self._homes.setdefault(subject, []).append(device.id)
            for fact, value in device.facts.items():
                if fact.startswith("device.") and isinstance(value, str):
                    self._linked.setdefault((fact.removeprefix("device."), value), []).append(device.id)

    def forget_members(self) -> None:
        """The rules changed: which inputs there are is to be asked anew."""
        self._members.clear()

    def of(self, subject: str) -> Sequence[str]:
        """All devices of a subject; empty for one that has none."""
        return self._homes.get(subject, ())

    def naming(self, attribute: str, device: str) -> Sequence[str]:
        """The devices whose attribute names this one."""
        return self._linked.get((attribute, device), ())

    def members(self, condition: Condition, name: str, subject: str, device: DeviceInfo | None) -> Sequence[str]:
        """The devices from which an input of a subject comes."""
        key = (condition.rule.id, name, subject)
        known = self._members.get(key)
        if known is None:
            known = self._members[key] = tuple(self._find(condition, name, subject, device))
        return known

    def _find(self, condition: Condition, name: str, subject: str, device: DeviceInfo | None) -> Iterator[str]:
        one = condition.inputs[name]
        if one.spec.link is not None:
            named = None if device is None else device.facts.get(f"device.{one.spec.link}")
            candidates = [named] if isinstance(named, str) else []
        else:
            candidates = self._homes.get(subject, [])
        for device_id in candidates:
            member = self._devices(device_id)
            if member is None or member.kind not in one.spec.kinds:
                continue
            if one.where is None or may_give(one.where, member):
                yield device_id

    def any_heard(self, ids: Sequence[str], at_ms: int) -> bool:
        """Whether one of these devices was not silent at that instant."""
        for device_id in ids:
            track, device = self._tracks.get(device_id), self._devices(device_id)
            if track is None or device is None:
                continue
            if track.counted_from_ms + supervision_s(device) * 1000 >= at_ms:
                return True
        return False


def may_give(where: Expression, device: DeviceInfo) -> bool:
    """Whether a device is one of those that ``where`` means, as far as facts say: a reading and the hour may still
    have their say when it speaks."""
    try:
        fits = where.evaluate({}, Timeless(device))
    except ZeroDivisionError:
        fits = None
    return fits is True or (fits is None and not where.facts_alone)


def owners_of(condition: Condition, devices: Iterable[DeviceInfo]) -> dict[str, tuple[DeviceInfo, set[str]]]:
    """By subject of a rule: a device that stands for it, and the kinds of all that stand there."""
    found: dict[str, tuple[DeviceInfo, set[str]]] = {}
    at: dict[str, set[str]] = {}
    for device in devices:
        for subject in {subject_of(condition.rule, device), f"place:{device.place}", f"resident:{device.resident}"}:
            at.setdefault(subject, set()).add(device.kind)
    for device in devices:
        subject = subject_of(condition.rule, device)
        found.setdefault(subject, (device, at[subject]))
    return found
