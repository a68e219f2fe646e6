"""Social alarm units that report by SCAIP (SS 91100): Tunstall, Careium, Neat, Legrand and others.

A unit is a `concentrator` at its ``cid``; a trigger or sensor is at ``cid#did``, or, where it has no id of its own (the
key on the unit itself), at ``cid#dty``. Its kind says what an alarm of it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar, takes_none
from devices.gear.profile import Profile
from devices.kinds import KINDS
from devices.native import Command
from devices.observation import Refusal
from devices.scaip import FALL, PLACES, Asked, Sort, read

UNIT_ALIVE_MS = 60_000
"""How often it is written down that a unit lives."""
_UNIT = "concentrator"
_ALARMS: Mapping[str, str] = {
    "smoke": "alarm",
    "heat": "alarm",
    "gas": "alarm",
    "co": "alarm",
    "leak": "alarm",
    "contact": "open",
    "motion": "occupied",
}
"""Kind → the state that an alarm of it is."""
_STATES: Mapping[Sort, tuple[str, float]] = {
    Sort.TAMPER: ("tampered", 1),
    Sort.BATTERY_LOW: ("battery_low", 1),
    Sort.BATTERY_OK: ("battery_low", 0),
    Sort.MAINS_LOST: ("mains_lost", 1),
    Sort.MAINS_BACK: ("mains_lost", 0),
    Sort.FAULT: ("faulty", 1),
    Sort.FAULT_OVER: ("faulty", 0),
}
_OF_THE_UNIT = (Sort.MAINS_LOST, Sort.MAINS_BACK, Sort.FAULT, Sort.FAULT_OVER, Sort.TEST, Sort.OTHER)
"""What a device that nobody registered may say without being missed, and what is the unit's where the device has no
such state."""


class Scaip:
    """Every unit that calls one listener."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        self._alive_ms: dict[str, int] = {}
        """Unit → when it was last written down that it lives."""

    def filters(self) -> tuple[str, ...]:
        return ()

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        asked = read(incoming.payload)
        devices = book.at(asked.cid)
        if not devices:
            return Reading(announced=(Announced(address=asked.cid, kind=_UNIT, heard=True),))
        units = [device for device in devices if device.kind == _UNIT and not device.part]
        concerned = [device for device in devices if device.part == asked.part] or self._unit(units, asked)
        if not concerned and asked.mty != "PI" and asked.sort not in _OF_THE_UNIT:
            address = f"{asked.cid}#{asked.part}"
            return Reading(
                announced=(Announced(address=address, kind=asked.kind, name=asked.texts.get("dte", ""), heard=True),)
            )
        said: list[Said] = []
        faults: list[Refusal] = []
        for device in concerned:
            try:
                said.append(_say(device, asked, incoming.source or None))
            except Refusal as refusal:
                faults.append(refusal)
        if said or not faults:
            said += self._alive(units, {one.device.id for one in said}, incoming.received_at_ms)
        return Reading(said=tuple(said), faults=tuple(faults))

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        raise takes_none(device, command.command, "SCAIP only reports")

    def _unit(self, units: Sequence[GearDevice], asked: Asked) -> list[GearDevice]:
        """What the unit says of itself; never an alarm, which would be nobody's."""
        about_itself = not asked.did and asked.sort not in (Sort.ALARM, Sort.RESTORED, Sort.CANCEL)
        return list(units) if about_itself or asked.mty == "PI" else []

    def _alive(self, units: Sequence[GearDevice], heard: set[str], now_ms: int) -> Iterator[Said]:
        for unit in units:
            if unit.id in heard:
                continue
            due = not 0 <= now_ms - self._alive_ms.get(unit.id, -UNIT_ALIVE_MS) < UNIT_ALIVE_MS
            if due:
                self._alive_ms[unit.id] = now_ms
            yield Said(device=unit, presence=True, alive=due)


def _say(device: GearDevice, asked: Asked, identity: str | None) -> Said:
    metrics: dict[str, float] = {}
    events: tuple[str, ...] = ()
    presence: bool | None = True
    sort, kind = asked.sort, KINDS[device.kind]
    if sort is Sort.ALARM:
        if device.kind == "sos_button":
            fall = asked.dty == FALL and asked.mty == "ME"
            events = ("fall",) if fall else ("press",) if asked.mty == "ME" else ()
        elif device.kind in _ALARMS:
            metrics = {_ALARMS[device.kind]: 1}
        else:
            raise _cannot(device, asked)
    elif sort in (Sort.RESTORED, Sort.CANCEL):
        if device.kind == "sos_button":
            # The unit's own key that ends its alarm: what a resident presses who is well.
            events = ("cancel",) if sort is Sort.CANCEL or asked.mty == "RE" else ()
        elif device.kind in _ALARMS:
            metrics = {_ALARMS[device.kind]: 0}
    elif sort in (Sort.MISSING, Sort.BACK):
        presence = sort is Sort.BACK or device.kind == _UNIT
    elif sort is Sort.TEST:
        events = ("self_test",) if "self_test" in kind.events else ()
    elif sort in _STATES:
        state, value = _STATES[sort]
        if state in kind.states:
            metrics = {state: value}
        elif sort not in _OF_THE_UNIT:
            raise _cannot(device, asked)
    return Said(
        device=device,
        metrics=metrics,
        events=events,
        data=_data(asked),
        presence=presence,
        identity=identity,
        alive=asked.mty == "PI",
    )


def _data(asked: Asked) -> dict[str, Scalar]:
    data: dict[str, Scalar] = {"ref": asked.ref, "mty": asked.mty, "dty": asked.dty, "pri": float(asked.pri)}
    if asked.stc:
        data["stc"] = asked.stc
    if asked.lco:
        data["where"] = PLACES.get(asked.lco, f"lco {asked.lco}")
    return {key: value for key, value in data.items() if value != ""} | dict(asked.texts)


def _cannot(device: GearDevice, asked: Asked) -> Refusal:
    return Refusal(
        "unknown_event",
        field="stc",
        expected=f"what a {device.kind} can say",
        hint=f"got mty {asked.mty}, stc {asked.stc or 'none'}; check the kind of {asked.cid}#{asked.part}",
        device=device.id,
    )


SCAIP = Profile(
    key="scaip",
    zh="社会报警终端（SCAIP）",
    en="social alarm units by SCAIP",
    carrier="scaip",
    kinds=(_UNIT, "sos_button", *_ALARMS),
    commands={},
    models=(
        "Tunstall Lifeline Digital, Smart Hub",
        "Careium Eliza",
        "Neat NEO",
        "Legrand (Intervox) Quiatil, Novo",
        "Caretech, Everon and other units that offer SCAIP",
    ),
    source="SS 91100:2014 (SCAIP), CLC/TS 50134-9",
    spec_only=True,
    message=Scaip,
)
