"""Takes note of gear that is not registered, in a thread of its own: a stranger must not hold anybody up."""

from __future__ import annotations

import logging
import threading

import sqlalchemy as sa

from devices.gear.messages import Announced
from gateway.clock import Clock, Millis
from gateway.registry.candidates import PAYLOAD_CHARS, CandidateNote, note
from gateway.registry.model import NATIVE
from gateway.state.db import writing

log = logging.getLogger(__name__)

EVERY_S = 1.0
MAX_PENDING = 1000
"""Strangers between two writes; more than that in a second is somebody making addresses up."""


class Strangers:
    """Collects notes and writes them once a second. `note` from any thread."""

    def __init__(self, engine: sa.Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, str, bool], CandidateNote] = {}
        """The newest of each: what it said, and how its bridge described it."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="strangers", daemon=True)
        self.left_out = 0
        """Notes for which there was no room."""

    def start(self) -> None:
        """Begin to write down who spoke."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is pending, and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def note(self, bridge: str, profile: str, announced: Announced, source: str, payload: bytes, at_ms: Millis) -> None:
        """``bridge`` described a stranger, or one spoke."""
        fresh = CandidateNote(
            bridge=bridge,
            address=announced.address,
            profile=profile,
            kind=announced.kind,
            name=announced.name,
            vendor=announced.vendor,
            model=announced.model,
            firmware=announced.firmware,
            heard=announced.heard,
            source=source,
            payload=payload[:PAYLOAD_CHARS] if announced.heard else b"",
            at_ms=at_ms,
        )
        key = bridge, announced.address, announced.heard
        with self._lock:
            if key not in self._pending and len(self._pending) >= MAX_PENDING:
                self.left_out += 1
            else:
                self._pending[key] = fresh

    def note_native(self, hardware: str, source: str, payload: bytes, at_ms: Millis) -> None:
        """Somebody spoke the native protocol under an id that nobody has."""
        self.note(NATIVE, NATIVE, Announced(address=hardware, heard=True), source, payload, at_ms)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, {}
        notes = sorted(pending.values(), key=lambda one: one.heard)  # what a stranger said stays, not its description
        if not notes:
            return
        try:
            with writing(self._engine) as connection:
                note(connection, notes, self._clock.now_ms())
        except Exception:  # the message itself is in quarantine, and a stranger speaks again
            log.exception("%d notes of strangers were not written", len(notes))
