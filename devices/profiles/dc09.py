"""Alarm units of other makers that report over IP by SIA DC-09: Contact ID and SIA codes, zones as devices.

A unit is a `concentrator` at its account; what is connected to it is at ``account#zone``, and its kind says what an
alarm of its zone means. A frame is deciphered before it comes here, and its source is its name: account, sequence and
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from devices.contact_id import NEW, RESTORE, Signal, Sort, from_adm, from_sia, kind_of
from devices.dc09 import Content, Frame, opened, read_body
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Order, Reading, Said, Scalar, takes_none
from devices.gear.profile import Profile
from devices.kinds import KINDS
from devices.native import Command
from devices.observation import Refusal

UNIT_ALIVE_MS, ZONE_ALIVE_MS = 60_000, 600_000
"""How often it is written down that a unit lives, and that it hears its zones."""
_UNIT = "concentrator"
_ALARMS: Mapping[str, str] = {
    "smoke": "alarm",
    "heat": "alarm",
    "gas": "alarm",
    "co": "alarm",
    "leak": "alarm",
    "glass_break": "alarm",
    "contact": "open",
    "motion": "occupied",
}
"""Kind → the state that an alarm of its zone is."""
_STATES: Mapping[Sort, str] = {
    Sort.TAMPER: "tampered",
    Sort.FAULT: "faulty",
    Sort.BATTERY: "battery_low",
    Sort.MAINS: "mains_lost",
}
_OF_A_ZONE = (Sort.ALARM, Sort.TAMPER, Sort.BATTERY, Sort.MISSING)
"""What a zone without a device must not say unheard."""


class Dc09:
    """Every unit that calls one listener."""

    def __init__(self, base: str, options: Mapping[str, str]) -> None:
        self._alive_ms: dict[str, int] = {}
        """Device → when it was last written down that it lives."""
        self._missing: set[str] = set()
        """Devices that their unit does not hear."""

    def filters(self) -> tuple[str, ...]:
        return ()

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        frame = read_body(incoming.payload)
        content = opened(frame, None)
        devices = book.at(frame.account)
        if not devices:
            return Reading(announced=(Announced(address=frame.account, kind=_UNIT, heard=True),))
        signals, faults = _signals(frame, content)
        data: dict[str, Scalar] = {"frame": frame.token}
        if frame.odd_length:
            data["odd_length"] = True
        said: list[Said] = []
        announced: list[Announced] = []
        for number, signal in enumerate(signals):
            concerned = list(_concerned(devices, signal))
            if not concerned and signal.sort in _OF_A_ZONE:
                announced.append(_stranger(frame.account, signal))
            identity = f"{incoming.source}.{number}" if number else incoming.source
            for device in concerned:
                try:
                    said.append(self._say(device, signal, data, content.at_ms, identity or None))
                except Refusal as refusal:
                    faults.append(refusal)
        if said or not (announced or faults):  # else nothing it said is on its way, and it must not think so
            heard = {one.device.id for one in said if one.metrics or one.events}
            said += self._alive(devices, heard, incoming.received_at_ms)
        return Reading(said=tuple(said), announced=tuple(announced), faults=tuple(faults))

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        raise takes_none(device, command.command, "DC-09 only reports")

    def _say(
        self, device: GearDevice, signal: Signal, data: Mapping[str, Scalar], at_ms: int | None, identity: str | None
    ) -> Said:
        sort, on = signal.sort, signal.qualifier != RESTORE
        facts = {**data, "contact_id": str(signal)}
        metrics: dict[str, float] = {}
        events: tuple[str, ...] = ()
        presence: bool | None = True
        if sort is Sort.MISSING and device.kind != _UNIT:
            presence = not on
            (self._missing.add if on else self._missing.discard)(device.id)
        elif sort is Sort.ALARM:
            if device.kind == "sos_button":
                events = ("press",) if signal.qualifier == NEW else ()
            elif device.kind in _ALARMS:
                metrics = {_ALARMS[device.kind]: float(on)}
            else:
                raise _cannot(device, signal)
        elif sort is Sort.CANCEL:
            events = ("cancel",) if device.kind == "sos_button" and on else ()
        elif sort is Sort.TEST:
            events = ("self_test",) if "self_test" in KINDS[device.kind].events and signal.qualifier == NEW else ()
        else:
            state = _STATES.get(sort, "faulty")  # a zone that is missing and is the unit itself
            if state not in KINDS[device.kind].states:
                raise _cannot(device, signal)
            metrics = {state: float(on)}
        return Said(
            device=device,
            metrics=metrics,
            events=events,
            data=facts,
            presence=presence,
            observed_at_ms=at_ms,
            identity=identity,
        )

    def _alive(self, devices: Sequence[GearDevice], heard: set[str], now_ms: int) -> Iterator[Said]:
        """The unit spoke, so it lives; and it would say which zone it does not hear."""
        for device in devices:
            if device.id in heard or device.id in self._missing:
                continue
            every_ms = UNIT_ALIVE_MS if device.kind == _UNIT else ZONE_ALIVE_MS
            due = not 0 <= now_ms - self._alive_ms.get(device.id, -every_ms) < every_ms
            if due:
                self._alive_ms[device.id] = now_ms
            yield Said(device=device, presence=True, alive=due)


def _signals(frame: Frame, content: Content) -> tuple[list[Signal], list[Refusal]]:
    if frame.token == "NULL":
        return [], []
    if frame.token == "ADM-CID":
        signal = from_adm(content.data)
        if signal is not None:
            return [signal], []
    elif frame.token == "SIA-DCS":
        signals, unknown = from_sia(content.data)
        faults = [_unknown(frame, code) for code in unknown]
        if signals or faults:
            return signals, faults
    else:
        raise Refusal(
            "unknown_format",
            field="id",
            expected="ADM-CID, SIA-DCS or NULL",
            hint=f"got {frame.token}: set the unit to Contact ID or SIA",
            device=frame.account,
        )
    raise Refusal(
        "malformed",
        field="data",
        expected="#account|QXYZ GG CCC" if frame.token == "ADM-CID" else "#account|Nri1/BA001",
        hint=f"got {content.data[:60]}",
        device=frame.account,
    )


def _concerned(devices: Sequence[GearDevice], signal: Signal) -> Iterator[GearDevice]:
    """Whom a signal is about: the device of its zone; of zone 0, and of what is nobody's in particular, the unit."""
    if signal.sort is Sort.OTHER:
        return
    if signal.sort is Sort.CANCEL:  # its zone is a user: whoever was pressed at this unit is meant
        yield from (device for device in devices if device.kind == "sos_button")
        return
    here = [device for device in devices if device.part.isdigit() and int(device.part) == signal.zone]
    units = [device for device in devices if device.kind == _UNIT and not device.part]
    if here:
        yield from here
    elif signal.sort not in _OF_A_ZONE or (signal.zone == 0 and signal.sort is not Sort.ALARM):
        yield from units


def _stranger(account: str, signal: Signal) -> Announced:
    kind = kind_of(signal.code) if signal.sort is Sort.ALARM else None
    return Announced(address=f"{account}#{signal.zone}", kind=kind, heard=True)


def _unknown(frame: Frame, code: str) -> Refusal:
    return Refusal(
        "unknown_event",
        field="code",
        expected="a SIA code",
        hint=f"got {code}; ask for it to be added",
        device=frame.account,
    )


def _cannot(device: GearDevice, signal: Signal) -> Refusal:
    return Refusal(
        "unknown_event",
        field="code",
        expected=f"what a {device.kind} can say",
        hint=f"got {signal} ({signal.sort.value}); check the zone's kind in the registry",
        device=device.id,
    )


DC09 = Profile(
    key="dc09",
    zh="报警主机（SIA DC-09）",
    en="alarm units by SIA DC-09",
    carrier="dc09",
    kinds=(_UNIT, "sos_button", *_ALARMS),
    commands={},
    models=(
        "Ajax Hub, Hub Plus, Hub 2",
        "Honeywell Galaxy, Vista with an IP module",
        "DSC Neo, PowerSeries with TL280",
        "Hikvision AX Pro",
        "Satel ETHM-1 Plus, Paradox IP150+, Risco LightSYS",
    ),
    source="ANSI/SIA DC-09, SIA DC-05 (Contact ID), SIA DC-03",
    spec_only=False,
    options={"key": "name of the secret with the AES key of every account that has none of its own"},
    device_options={"key": "name of the secret with the AES key of this account; at its unit, or any of its zones"},
    message=Dc09,
)
