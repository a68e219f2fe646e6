"""Commands at the device: each id is obeyed once, and answered each time it comes; some only when they are done."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from devices.kind import Kind
from devices.native import PROTOCOL_VERSION, Command

REMEMBERED = 64
"""A device remembers so many command ids."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command went."""

    ok: bool
    error: str = ""


class Orders:
    """``answer``: says a command's result. ``obey``: does one that is in order; None where it takes a while."""

    def __init__(
        self, kind: Kind, answer: Callable[[str, Outcome, int], None], obey: Callable[[Command, int], Outcome | None]
    ) -> None:
        self._kind = kind
        self._answer = answer
        self._obey = obey
        self._known: OrderedDict[str, Outcome] = OrderedDict()
        self._doing: tuple[str, dict[str, str]] | None = None
        self._under_way: list[str] = []
        """Commands for what is being done: their answers wait until it is."""

    def restarted(self) -> None:
        """What was under way was cut off, and will be obeyed anew when it comes again."""
        self._under_way.clear()

    def take(self, command: Command, now_ms: int, device_ms: int) -> None:
        """Obey and answer. ``device_ms``: the time by the device's own clock."""
        if command.id in self._under_way:
            return
        outcome = self._known.get(command.id) or self._wrong(command, device_ms)
        if outcome is None:
            wanted = (command.command, command.args)
            if not (self._under_way and wanted == self._doing):
                self.finish(Outcome(False, f"given up for {command.command}"), now_ms)
                outcome = self._obey(command, now_ms)
            if outcome is None:
                self._doing = wanted
                self._under_way.append(command.id)
                return
        self._remember(command.id, outcome, now_ms)

    def finish(self, outcome: Outcome, now_ms: int) -> None:
        """How it went that was under way, if something is."""
        done, self._under_way = self._under_way, []
        for command_id in done:
            self._remember(command_id, outcome, now_ms)

    def _remember(self, command_id: str, outcome: Outcome, now_ms: int) -> None:
        self._known[command_id] = outcome
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        self._answer(command_id, outcome, now_ms)

    def _wrong(self, command: Command, device_ms: int) -> Outcome | None:
        if command.v != PROTOCOL_VERSION:
            return Outcome(False, f"version {command.v} is not {PROTOCOL_VERSION}")
        if command.expires is not None and device_ms > command.expires:
            return Outcome(False, "expired")
        known = self._kind.commands.get(command.command)
        if known is None:
            return Outcome(False, f"unknown command {command.command}")
        for name, value in command.args.items():
            if name not in known.args or value not in known.args[name]:
                return Outcome(False, f"unknown argument {name}={value}")
        return None
