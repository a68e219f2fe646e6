"""What both keys share: a lamp, a voice, and a press that shines amber until somebody has it."""

from __future__ import annotations

from collections.abc import Mapping

from devices.observation import Channel
from firmware_sim.device import Action, Outcome, Outgoing, Setting, SimDevice


class Button(SimDevice):
    """A key with a lamp: amber while sending, green when the gateway has it on disk, blue when a person has taken it.

    Green and blue come with the command ``indicate``. Behind a concentrator the acknowledgement itself comes from
    the gateway's disk, so there it turns the lamp green at once; a broker's PUBACK does not.
    """

    heartbeat_s = 1200.0
    battery_days = 730.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.lamp = "off"
        self.voice = "none"
        self.waiting: set[tuple[int, int]] = set()
        """Presses that have not been acknowledged yet."""

    def call(self, event: str, now_ms: int) -> Outgoing:
        """The key is used: amber at once, whether there is a connection or not."""
        out = self.emit(Channel.EVENT, now_ms, event=event, metrics=self.housekeeping(now_ms))
        self.waiting.add(out.key)
        self.lamp = "amber"
        return out

    def cancel(self, now_ms: int) -> Outgoing:
        """It was a mistake. The lamp stays as it is until the gateway says what became of it."""
        return self.emit(Channel.EVENT, now_ms, event="cancel")

    def acknowledged(self, out: Outgoing, *, durable: bool) -> None:
        super().acknowledged(out, durable=durable)
        if out.key in self.waiting:
            self.waiting.discard(out.key)
            if durable and not self.waiting and self.lamp == "amber":
                self.lamp = "green"

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome:
        self.lamp = args.get("lamp", self.lamp)
        self.voice = args.get("voice", self.voice)
        return Outcome(True)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "cancel": lambda now_ms, args: _ignore(self.cancel(now_ms))}

    def state(self) -> dict[str, object]:
        return {**super().state(), "lamp": self.lamp, "voice": self.voice, "waiting": len(self.waiting)}

    def calling(self, event: str) -> Action:
        """An action that uses the key."""
        return lambda now_ms, args: _ignore(self.call(event, now_ms))


def _ignore(out: Outgoing) -> None:
    """Actions give nothing back."""
