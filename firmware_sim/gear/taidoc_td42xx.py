"""A TaiDoc TD-4277: eight bytes a question, eight an answer, the newest measurement first."""

from __future__ import annotations

from datetime import datetime

from devices.gear.profile import SerialSetting
from firmware_sim.gear.glucose import SimGlucoseMeter

_MEAL = {"": 0x00, "before": 0x40, "after": 0x80}


class SimTaidoc(SimGlucoseMeter):
    """The meter on its cable."""

    profile = "taidoc-td42xx"
    setting = SerialSetting(baud=19_200)

    def listen(self, incoming: bytearray, now_ms: int) -> None:
        while len(incoming) >= 8:
            if incoming[0] != 0x51 or incoming[6] != 0xA3 or sum(incoming[:7]) % 256 != incoming[7]:
                del incoming[0]
                continue
            command, record = incoming[1], incoming[2] + 256 * incoming[3]
            del incoming[:8]
            answer = bytes((0x51, command)) + self._answer(command, record, now_ms) + b"\xa5"
            self.write(answer + bytes((sum(answer) % 256,)), after_s=0.01)

    def _answer(self, command: int, record: int, now_ms: int) -> bytes:
        if command == 0x24:
            return b"\x77\x42\x00\x00"
        if command == 0x23:
            return _time(self.shown(now_ms))
        if command == 0x2B:
            return bytes((len(self.records) % 256, len(self.records) // 256, 6, 0))
        if command in (0x25, 0x26) and record < len(self.records):
            stored = self.records[record]
            if command == 0x25:
                return _time(stored.at)
            return bytes((stored.mgdl % 256, stored.mgdl // 256, 6, _MEAL[stored.meal]))
        return bytes(4)


def _time(at: datetime) -> bytes:
    day = (at.year - 2000) * 512 + at.month * 32 + at.day
    return bytes((day % 256, day // 256, at.minute, at.hour))
