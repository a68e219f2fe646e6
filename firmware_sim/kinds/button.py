"""What both keys share: a lamp, a voice, and a press that shines amber until somebody has it."""

from __future__ import annotations

from collections.abc import Mapping

from devices.observation import Channel
from firmware_sim.device import Action, Outgoing, SimDevice
from firmware_sim.orders import Outcome
from firmware_sim.setting import Setting

SAID_AGAIN_S = 15.0
SAID_AGAIN_MAX_S = 300.0
"""A press that the broker has, but of which the gateway has said nothing, is sent again with the same identity: a
broker that dies may lose what it acknowledged, and a journal that has the press already drops the repeat."""


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
        self.unheard: dict[tuple[int, int], Outgoing] = {}
        """Presses of which the gateway itself has said nothing yet."""

    def call(self, event: str, now_ms: int) -> Outgoing:
        """The key is used: amber at once, whether there is a connection or not."""
        out = self.emit(Channel.EVENT, now_ms, event=event, metrics=self.housekeeping(now_ms))
        self.waiting.add(out.key)
        self.unheard[out.key] = out
        self.lamp = "amber"
        self._again_later(now_ms, SAID_AGAIN_S)
        return out

    def _again_later(self, now_ms: int, after_s: float) -> None:
        def again(at_ms: int) -> None:
            if not self.unheard:
                return
            self._out.extend(out for key, out in self.unheard.items() if key not in self.waiting)
            self._again_later(at_ms, min(2 * after_s, SAID_AGAIN_MAX_S))

        self.soon("again", after_s, again, now_ms)

    def cancel(self, now_ms: int) -> Outgoing:
        """It was a mistake. The lamp stays as it is until the gateway says what became of it."""
        return self.emit(Channel.EVENT, now_ms, event="cancel")

    def acknowledged(self, out: Outgoing, *, durable: bool) -> None:
        super().acknowledged(out, durable=durable)
        if out.key in self.waiting:
            self.waiting.discard(out.key)
            if durable:
                self.unheard.pop(out.key, None)
            if durable and not self.waiting and self.lamp == "amber":
                self.lamp = "green"

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome | None:
        self.unheard.clear()
        self.stop("again")
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
