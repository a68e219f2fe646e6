"""Answers of Modbus slaves on a table: what `anju devices try modbus` makes of bytes that were recorded on a line."""

from __future__ import annotations

from devices.gear.messages import AddressBook, Reading
from devices.profiles.modbus.bus import ModbusBus
from gateway.transports.modbus_wire import AnswerReader

QUESTIONS_MOST = 200
"""A slave is asked a handful; this ends what never ends."""


def answered(bus: ModbusBus, wire: bytes, book: AddressBook) -> list[Reading]:
    """Ask the slaves of ``book`` once; each answer is looked for in all of ``wire``, in whatever order they stand."""
    readings = []
    for _ in range(QUESTIONS_MOST):
        query, trouble = bus.next(0, book)
        readings.append(trouble)
        if query is None:
            break
        reader = AnswerReader(query, echoes=False)
        answer = reader.feed(wire)
        readings.append(bus.answered(answer if answer is not None else reader.time_is_up(), 0))
    return readings
