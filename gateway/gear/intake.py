"""From what gear says to the journal: the same promises as `gateway.intake` gives to native devices.

A message is acknowledged when everything new in it is on disk. What the journal refuses was not heard: the device's
memory is put in doubt, so that the same message, delivered again, is news again.

What is no news because of an event that is not on disk yet waits for it: its acknowledgement would be one of the event
(the same message, delivered again on a new connection), and its states, on disk before the event, would make it known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from devices.gear.memory import Memory, observe
from devices.gear.messages import AddressBook, Announced, GearDevice, Incoming, Reading, Said
from devices.observation import Lane, Observation, Refusal
from gateway.clock import Millis
from gateway.journal.entry import Done, Outcome
from gateway.receipts import JournalSink, Receipts

Receive = Callable[[Incoming, AddressBook], Reading]


class StrangerSink(Protocol):
    """Takes note of gear that is not registered. Quick, from any thread."""

    def note(self, bridge: str, profile: str, announced: Announced, source: str, payload: bytes, at_ms: Millis) -> None:
        """Gear that is not registered has announced itself, or spoken."""
        ...


class GearIntake:
    """Takes readings from any thread; never raises for what is in them."""

    def __init__(
        self,
        journal: JournalSink,
        receipts: Receipts,
        strangers: StrangerSink,
        memories: Mapping[str, Memory] | None = None,
    ) -> None:
        """``memories``: what devices said last, as far as it is on disk (`gateway.gear.restore`)."""
        self._journal = journal
        self._receipts = receipts
        self._strangers = strangers
        self._memories = {device: ("", memory) for device, memory in (memories or {}).items()}
        """Device → whose hardware, and what is remembered of it. What was restored is of whoever speaks first."""
        self._under_way: dict[str, _Together] = {}
        """Device → its latest message with events that are not on disk yet."""
        self._lock = threading.Lock()

    def offer(
        self,
        bridge: str,
        profile: str,
        receive: Receive,
        incoming: Incoming,
        book: AddressBook,
        done: Done,
        *,
        queue: bool = False,
    ) -> Reading:
        """One message for a profile to understand; ``done`` is called once, when its fate is on disk. Returns what the
        profile made of it (empty where it was refused), for what it wants to subscribe to and to say.

        ``queue``: what is not acknowledged holds up all that comes behind it. Then what the routine lane has no room
        for is left out, and counted, so that a press behind it is heard.
        """
        transport = f"gear:{bridge}"
        counted = self._receipts.counted(transport, done)
        try:
            reading = receive(incoming, book)
        except Refusal as refusal:
            self._receipts.refuse(
                transport, incoming.source, incoming.payload, refusal, incoming.received_at_ms, counted
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, kept and counted
            self._receipts.defect(
                transport, incoming.source, incoming.payload, error, incoming.received_at_ms, counted, bridge
            )
        else:
            self._take(bridge, profile, reading, incoming, counted, queue)
            return reading
        return Reading()

    def take(self, bridge: str, profile: str, reading: Reading, incoming: Incoming, done: Done) -> None:
        """What a profile has understood already (gear on a line, which nobody can acknowledge)."""
        self._take(bridge, profile, reading, incoming, self._receipts.counted(f"gear:{bridge}", done), queue=False)

    def expect(self, device: GearDevice, command_id: str, confirm: Mapping[str, float], now_ms: Millis) -> None:
        """A command goes out to ``device``: a report that shows ``confirm`` will be its answer."""
        with self._lock:
            self._memory(device).expect(command_id, confirm, now_ms)

    def _take(
        self, bridge: str, profile: str, reading: Reading, incoming: Incoming, counted: Done, queue: bool
    ) -> None:
        transport, at_ms = f"gear:{bridge}", incoming.received_at_ms
        refused = list(reading.faults)
        for announced in reading.announced:
            self._strangers.note(bridge, profile, announced, incoming.source, incoming.payload, at_ms)
            if announced.heard:
                refused.append(_stranger(bridge, announced))
        with self._lock:
            observations, faults = self._observe(reading.said, incoming, transport)
            ahead = {one.device.id: self._under_way.get(one.device.id) for one in reading.said}
            before = {id(one): one for one in ahead.values() if one is not None}.values()
            together = _Together(len(observations) + len(before), self._ended, counted)
            self._under_way |= {one.device: together for one in observations if one.event is not None}
        refused += faults
        if not reading.said and refused:
            last = refused.pop()
            for refusal in refused:
                self._receipts.refuse(transport, incoming.source, incoming.payload, refusal, at_ms)
            self._receipts.refuse(transport, incoming.source, incoming.payload, last, at_ms, counted)
            return
        for refusal in refused:
            self._receipts.refuse(transport, incoming.source, incoming.payload, refusal, at_ms)
        if not observations and not before:
            if not reading.said:
                self._receipts.note(transport, "described" if reading.announced else "concerns_nobody")
            counted(Outcome.DUPLICATE)  # nothing new, so nothing to write down
            return
        for earlier in before:
            earlier.then(together.behind)
        for observation in observations:
            leave_out = queue and observation.lane is Lane.ROUTINE
            written = self._written(observation, together, transport if leave_out else None)
            event_ahead = ahead[observation.device]
            if event_ahead is None or observation.event is not None:
                self._journal.submit(observation, written)
            else:
                event_ahead.then(partial(self._submit_behind, observation, written))

    def _submit_behind(self, observation: Observation, written: Done, ahead: Outcome) -> None:
        """A measurement, when the event before it is on disk; what was measured behind a refused one is not kept."""
        if ahead is Outcome.REFUSED:
            written(Outcome.REFUSED)
        else:
            self._journal.submit(observation, written)

    def _ended(self, together: _Together) -> None:
        with self._lock:
            for device in [device for device, latest in self._under_way.items() if latest is together]:
                del self._under_way[device]

    def _observe(
        self, said: Sequence[Said], incoming: Incoming, transport: str
    ) -> tuple[list[Observation], list[Refusal]]:
        """Under the lock."""
        observations: list[Observation] = []
        faults: list[Refusal] = []
        for one in said:
            found = observe(
                one,
                self._memory(one.device),
                received_at_ms=incoming.received_at_ms,
                retained=incoming.retained,
                redelivered=incoming.redelivered,
                may_have_waited=incoming.may_have_waited,
            )
            observations += found.observations
            faults += found.faults
            for name in found.notes:
                self._receipts.note(transport, name)
        return observations, faults

    def withdraw(self, device: GearDevice, command_id: str) -> None:
        """The command did not go out: no report is its answer."""
        with self._lock:
            self._memory(device).forget_command(command_id)

    def _memory(self, device: GearDevice) -> Memory:
        """Under the lock. Other hardware that does a device's work now has seen nothing of what the old one saw."""
        hardware = f"{device.address}#{device.part}"
        of, memory = self._memories.get(device.id, ("", None))
        if memory is None or of not in ("", hardware):
            memory = Memory()
        self._memories[device.id] = hardware, memory
        return memory

    def _written(self, observation: Observation, together: _Together, left_out_of: str | None) -> Done:
        """``left_out_of``: the transport that goes on without this one, where the journal refuses it."""

        def written(outcome: Outcome) -> None:
            if outcome is Outcome.REFUSED:
                with self._lock:
                    self._memories[observation.device][1].doubt(observation)
                if left_out_of is not None:
                    self._receipts.leave_out(left_out_of)
                    outcome = Outcome.DUPLICATE
            together.one(outcome)

        return written


class _Together:
    """One outcome for the message from those of its observations and of what it waits for: refused if any was."""

    def __init__(self, count: int, ended: Callable[[_Together], None], done: Done) -> None:
        self._left = count
        self._ended = ended
        self._done = done
        self._worst = Outcome.DUPLICATE
        self._behind: list[Done] = []
        self._lock = threading.Lock()

    def one(self, outcome: Outcome) -> None:
        with self._lock:
            self._left -= 1
            if outcome is Outcome.REFUSED or (outcome is Outcome.STORED and self._worst is Outcome.DUPLICATE):
                self._worst = outcome
            if self._left:
                return
            behind, self._behind = self._behind, []
        self._ended(self)
        self._done(self._worst)
        for told in behind:
            told(self._worst)

    def behind(self, ahead: Outcome) -> None:
        """A message before this one has its outcome."""
        self.one(Outcome.REFUSED if ahead is Outcome.REFUSED else Outcome.DUPLICATE)

    def then(self, told: Done) -> None:
        """``told`` is called with the outcome: when it is there, or at once."""
        with self._lock:
            if self._left:
                self._behind.append(told)
                return
        told(self._worst)


def _stranger(bridge: str, announced: Announced) -> Refusal:
    return Refusal(
        "unknown_device",
        field="address",
        expected=f"the address of a device of bridge {bridge}",
        hint=f"adopt it: `anju devices adopt {bridge} {announced.address}`, or in the console under devices",
        device=f"{bridge}/{announced.address}",
    )
