"""The 120 line that dials. Built only with a `Permit`: where the configuration says so, in so many words.

Two keys, held by different people: the community's agreement with its emergency centre (``emergency_line.live``), and
``live_dialling: true`` in the settings of the box that dials, so that a copy of a community on a test machine dials
nobody. Drills have a line of their own, which is built without the ability to dial (`DrillLine`).

A dispatcher hears the address and the complaint within 15 s, three times over, and the line stays open: no menu.
Whoever picks up at the centre has answered. What may repeat an earlier call says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from gateway.cases.effects import Purpose, Send
from gateway.cases.wording import DRILL_MARK
from gateway.clock import Clock
from gateway.outbox.card import MARK
from gateway.outbox.channel import Attempt, Limits, Report, Result
from gateway.outbox.line_words import call_words, cancel_words, update_words
from gateway.outbox.voice import Called, CallEnd, Caller, Words
from gateway.registry.line import EmergencyLine, LiveDialling

CALL_WITHIN_S = 240.0
SAID = 3
"""How often the words are said."""
_OPENS = DRILL_MARK.removesuffix("】")
"""How the mark before a text begins, in either language."""


class NotPermitted(Exception):
    """Nothing here may dial an emergency line; the message says which key is missing."""


@dataclass(frozen=True, slots=True)
class Permit:
    """That this box may dial the emergency lines of its community. Made by `permit` alone."""

    agreement: LiveDialling
    zone: ZoneInfo

    def runs(self, now_ms: int) -> bool:
        """Whether the agreement is in force today, by the community's calendar."""
        today: date = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self.zone).date()
        return self.agreement.agreed_on <= today <= self.agreement.valid_until


def permit(line: EmergencyLine, *, box_allows: bool, timezone: str) -> Permit:
    """The permit to dial. Raises NotPermitted."""
    if line.mode != "live" or line.live is None:
        raise NotPermitted("社区配置为演练 the community's emergency_line is a drill")
    if not box_allows:
        raise NotPermitted("本机未开启真实拨号 this box has no live_dialling: true in its settings")
    return Permit(line.live, ZoneInfo(timezone))


class LiveLine:
    """Calls the emergency centre by the first way that can place the call; by the other one when the case asks for it.

    ``callers``: in the order of the agreement.
    """

    def __init__(
        self, permit: Permit, callers: Sequence[Caller], clock: Clock, *, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits(timeout_s=CALL_WITHIN_S + 60, parallel=2, unclear_max=3)
        self._permit = permit
        self._callers = callers
        self._clock = clock

    async def send(self, message: Send, attempt: Attempt) -> Report:
        refused = self._refused(message)
        if refused:
            return Report(result=Result.REFUSED, detail=refused)
        words = Words(text=_words(message, repeat=attempt.repeat), language="zh", keys="", repeat=SAID)
        number = self._permit.agreement.dialled(message.to)
        tried: list[str] = []
        called = Called(end=CallEnd.NOT_PLACED, detail="没有语音线路 there is no way to place a call")
        for caller in self._ways(message):
            if not caller.free:
                tried.append(f"{type(caller).__name__}: 无空闲线路 no line is free")
                continue
            called = await caller.call(number, words, timeout_s=CALL_WITHIN_S, emergency=True, speaks=attempt.speaks)
            tried.append(called.detail)
            if called.end is not CallEnd.NOT_PLACED:
                break
        detail = "; ".join(tried) or called.detail
        match called.end:
            case CallEnd.ANSWERED:
                return Report(result=Result.DELIVERED, detail=f"{number} 已接听 answered: {detail}")
            case CallEnd.UNKNOWN:
                return Report(result=Result.UNKNOWN, detail=detail)
            case CallEnd.BUSY:
                return Report(result=Result.RETRY, detail=f"{number} 占线 busy: {detail}")
            case CallEnd.NO_ANSWER:
                return Report(result=Result.RETRY, detail=f"{number} 无人接听 nobody answered: {detail}")
            case CallEnd.UNREACHABLE | CallEnd.NOT_PLACED:
                return Report(result=Result.RETRY, detail=f"{number} 打不通 not reached: {detail}")

    async def ask(self, message: Send) -> Report | None:
        """A telephone cannot be asked whether it rang: what may have been heard is called again, and says so."""
        return None

    async def trouble(self) -> str:
        """Why a call could not be placed now, as far as one can know without calling; empty where it could."""
        if not self._permit.runs(self._clock.now_ms()):
            return f"约定有效期至 the agreement ended on {self._permit.agreement.valid_until}"
        if not any(caller.free for caller in self._callers):
            return "没有可用的语音线路 no line to place a call: no modem or trunk is ready"
        return ""

    async def close(self) -> None:
        """The lines are the gateway's, and outlive the registry that names this one."""

    def _refused(self, message: Send) -> str:
        """The last guard, at the dialler itself: nothing that is not in earnest, and nothing without an agreement."""
        if not self._permit.runs(self._clock.now_ms()):
            return f"约定已到期，不再拨打 the agreement ended on {self._permit.agreement.valid_until}: dial by hand"
        if message.drill or _of_a_drill((message.title, message.body, message.data)):
            return "演练内容不得真实拨打 this bears the mark of a drill: it is never dialled"
        return ""

    def _ways(self, message: Send) -> Sequence[Caller]:
        path = message.data.get("path")
        first = path % len(self._callers) if isinstance(path, int) and self._callers else 0
        return (*self._callers[first:], *self._callers[:first])


class ClosedLine:
    """Stands where the community's line is live and this box may not dial: it says so, and calls nobody."""

    def __init__(self, why: str) -> None:
        self.limits = Limits(timeout_s=5, parallel=8)
        self._why = why

    async def send(self, message: Send, attempt: Attempt) -> Report:
        return Report(result=Result.REFUSED, detail=f"{self._why}：请人工拨打 dial by hand")

    async def ask(self, message: Send) -> Report | None:
        return None

    async def trouble(self) -> str:
        return self._why

    async def close(self) -> None:
        return None


def _of_a_drill(value: object) -> bool:
    """Whether anything in there bears the mark. The word alone is no mark: a place may be named 消防演练场."""
    if isinstance(value, Mapping):
        return bool(value.get("drill")) or value.get("mark") == MARK or _of_a_drill(tuple(value.values()))
    if isinstance(value, str):
        return _OPENS in value
    return isinstance(value, Sequence) and any(_of_a_drill(one) for one in value)


def _words(message: Send, *, repeat: bool) -> str:
    if message.purpose is Purpose.EMERGENCY_CANCEL:
        return cancel_words(message.data)
    if message.purpose is Purpose.EMERGENCY_UPDATE:
        return update_words(message.data)
    return call_words(message.data, repeat=repeat)
