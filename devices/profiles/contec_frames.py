"""The two formats of Contec oximeters: samples out of a stream of bytes. `contec_cms50` says what they are for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from devices.gear.stream import Faults
from devices.observation import Refusal

NEW_FRAME_BYTES = 9
OLD_FRAME_BYTES = 5
# What it can show, by its manual (CMS50D+: pulse 30 to 250 /min, SpO2 0 to 100 %, perfusion 0.1 to 20 %). A pulse or a
# saturation of 0 is what it says without a finger.
PULSE_LOW, PULSE_HIGH = 20, 250
SPO2_LOW, SPO2_HIGH = 1, 100
PULSE_INVALID, SPO2_INVALID, PERFUSION_INVALID = 0xFF, 0x7F, 0xFFFF
PERFUSION_STEP = 0.1
"""Per cent."""
SIGNAL_BEST = 8

_LENGTHS = {0x01: 9, 0x05: 9, 0x06: 4, 0x07: 8, 0x08: 8, 0x09: 6, 0x0A: 4, 0x0C: 2, 0x0D: 3, 0x0E: 3, 0x0F: 8, 0x10: 3}
_LENGTHS |= {0x11: 9, 0x12: 8, 0x13: 9, 0x14: 9}
"""Packets of the newer format by their first byte: live data, answers to commands, stored data."""
_LIVE, _DISCONNECT = 0x01, 0x0D


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sixtieth of a second. None: it says itself that it has no value."""

    wave: int
    """0 to 127."""
    pulse: int | None
    spo2: int | None
    perfusion: float | None
    signal: int | None
    """0 to 8."""
    probe_off: bool
    searching: bool
    dropping: bool
    """Its own word that the saturation falls."""


class Cutter(ABC):
    """Cuts one of the two formats out of a stream."""

    length: ClassVar[int]
    """Bytes of the packet that carries the measurements."""

    def __init__(self) -> None:
        self.good = self.bad = 0
        self._packet = bytearray()

    @abstractmethod
    def feed(self, data: bytes, faults: Faults) -> list[Sample]:
        """The samples that ``data`` completes; what is damaged is noted in ``faults``."""

    def _damaged(self, faults: Faults, what: str) -> None:
        self._packet.clear()
        self.bad += 1
        faults.note(_damaged(self.length, what))


class NewCutter(Cutter):
    """The newer format: bit 7 is clear in the first byte of a packet alone."""

    length = NEW_FRAME_BYTES

    def feed(self, data: bytes, faults: Faults) -> list[Sample]:
        samples = []
        for byte in data:
            if not byte & 0x80:
                if self._packet:
                    self._damaged(faults, f"{len(self._packet)} bytes of packet {self._packet[0]:02X}, then the next")
                self._packet = bytearray((byte,))
            elif self._packet:
                self._packet.append(byte)
            else:
                continue  # the rest of a packet whose beginning was lost
            length = _LENGTHS.get(self._packet[0])
            if length is None:
                self._damaged(faults, f"no packet begins with {self._packet[0]:02X}")
            elif len(self._packet) == length:
                packet, self._packet = bytes(self._packet), bytearray()
                if packet[0] != _LIVE:
                    self.good += packet[0] != _DISCONNECT
                    continue
                sample = decode_new(packet)
                if sample is None:
                    self._damaged(faults, f"{packet.hex(' ')} says what the oximeter cannot measure")
                    continue
                self.good += 1
                samples.append(sample)
        return samples


class OldCutter(Cutter):
    """The older format: five bytes, bit 7 set in the first alone."""

    length = OLD_FRAME_BYTES

    def feed(self, data: bytes, faults: Faults) -> list[Sample]:
        samples = []
        for byte in data:
            if byte & 0x80:
                if self._packet:
                    self._damaged(faults, f"{len(self._packet)} bytes, then the next packet")
                self._packet = bytearray((byte,))
            elif self._packet:
                self._packet.append(byte)
            if len(self._packet) == OLD_FRAME_BYTES:
                packet, self._packet = bytes(self._packet), bytearray()
                sample = decode_old(packet)
                if sample is None:
                    self._damaged(faults, f"{packet.hex(' ')} says what the oximeter cannot measure")
                    continue
                self.good += 1
                samples.append(sample)
        return samples


def _damaged(length: int, what: str) -> Refusal:
    return Refusal(
        "malformed",
        field="frame",
        expected=f"{length} bytes as in the oximeter's protocol",
        hint=f"got {what}; check the plug, the cable's length and the option variant",
    )


def decode_new(packet: bytes) -> Sample | None:
    """A live packet of the newer format; None where a value is none that it can show.

    The second byte is no status: its seven low bits are the bits 7 of the seven bytes behind it.
    """
    high = packet[1]
    status, wave, bar, pulse, spo2, low_byte, high_byte = (
        byte & 0x7F | (high >> index & 1) << 7 for index, byte in enumerate(packet[2:])
    )
    perfusion = low_byte | high_byte << 8
    del bar  # the pulse as a bar of 0 to 15: the wave says more
    return _sample(
        status,
        wave=wave & 0x7F,
        pulse=pulse,
        spo2=spo2,
        perfusion=None if perfusion == PERFUSION_INVALID else perfusion * PERFUSION_STEP,
        probe_off=bool(status & 0x80),
        searching=bool(wave & 0x80),
    )


def decode_old(packet: bytes) -> Sample | None:
    """A packet of the older format; None where a value is none that it can show."""
    status, wave, bar, pulse, spo2 = packet
    return _sample(
        status,
        wave=wave,
        pulse=pulse | (bar & 0x40) << 1,
        spo2=spo2,
        perfusion=None,
        probe_off=bool(status & 0x10 or bar & 0x10),
        searching=bool(bar & 0x20),
    )


def _sample(
    status: int, *, wave: int, pulse: int, spo2: int, perfusion: float | None, probe_off: bool, searching: bool
) -> Sample | None:
    if pulse not in (0, PULSE_INVALID) and not PULSE_LOW <= pulse <= PULSE_HIGH:
        return None
    if spo2 not in (0, SPO2_INVALID) and not SPO2_LOW <= spo2 <= SPO2_HIGH:
        return None
    signal = status & 0x0F
    return Sample(
        wave=wave,
        pulse=None if pulse in (0, PULSE_INVALID) else pulse,
        spo2=None if spo2 in (0, SPO2_INVALID) else spo2,
        perfusion=perfusion if perfusion is not None and 0 < perfusion <= 20 else None,
        signal=signal if signal <= SIGNAL_BEST else None,
        probe_off=probe_off,
        searching=searching,
        dropping=bool(status & 0x20),
    )
