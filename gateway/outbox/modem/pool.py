"""Several modems as one: whichever is ready, free and has failed least carries the next call or SMS.

One that hangs holds up nothing: it is not ready, and what it had begun ends as UNKNOWN. What certainly never left the
house is tried on the next one at once; what may have left it is not, because the other side would be told twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.outbox.channel import Heard, Listener, Result, Speaks, always
from gateway.outbox.modem import pdu
from gateway.outbox.modem.driver import Modem
from gateway.outbox.modem.health import ModemHealth
from gateway.outbox.modem.inbox import Whole
from gateway.outbox.modem.ledger import SmsLedger
from gateway.outbox.modem.mailbox import Mailbox
from gateway.outbox.modem.pdu import StatusReport
from gateway.outbox.modem.reports import Fate, words
from gateway.outbox.modem.sending import Handed
from gateway.outbox.modem.timing import Timing
from gateway.outbox.speech import Speech
from gateway.outbox.voice import Called, CallEnd, Words
from gateway.registry.check_numbers import is_emergency
from gateway.settings import ModemSettings, Secrets

log = logging.getLogger(__name__)

SMS = "sms"
"""`Heard.channel` of a reply."""
Settle = Callable[[str, Fate, str], None]
"""Told what became of a message that was SENT: its key, its fate, in words."""


class ModemPool:
    """All modems of this gateway. `run` as a task; implements `Caller`."""

    def __init__(
        self,
        settings: Sequence[ModemSettings],
        secrets: Secrets,
        speech: Speech,
        ledger: SmsLedger,
        clock: Clock,
        *,
        listener: Listener,
        settle: Settle,
        timing: Timing | None = None,
    ) -> None:
        """``settle`` may be called for one message again and again; ``listener`` as `Listener` has it."""
        self._ledger = ledger
        self._clock = clock
        self._listener = listener
        self._settle = settle
        self._timing = timing or Timing()
        self._modems = [
            Modem(
                one,
                secrets,
                speech,
                clock,
                on_message=self._read,
                on_report=self._report,
                timing=self._timing,
            )
            for one in settings
        ]
        self._early: list[tuple[str, StatusReport]] = []
        """Reports that came before it was written down what they are of."""

    async def run(self) -> None:
        """Until cancelled; without a modem as well."""
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.Event().wait())
            for modem in self._modems:
                group.create_task(modem.run(), name=f"modem {modem.name}")
            await asyncio.Event().wait()  # a pool without modems does not end either

    def health(self) -> list[ModemHealth]:
        """How each modem is, in the order of the settings."""
        return [modem.health for modem in self._modems]

    # calls

    @property
    def free(self) -> int:
        """Calls that can begin now."""
        return sum(modem.free for modem in self._modems)

    async def call(
        self, number: str, words: Words, *, timeout_s: float, emergency: bool = False, speaks: Speaks = always
    ) -> Called:
        """See `Caller`."""
        called = Called(end=CallEnd.NOT_PLACED, detail="没有可用的模块 no modem is ready and free")
        tried: list[str] = []
        for modem in self._best(lambda one: one.free):
            called = await modem.call(number, words, timeout_s=timeout_s, emergency=emergency, speaks=speaks)
            tried.append(called.detail)
            if called.end is not CallEnd.NOT_PLACED:
                break
        if not tried:
            why = "; ".join(f"{one.name}: {one.en}" for one in self.health())
            called = called.model_copy(update={"detail": f"{called.detail} ({why})"})
        return called.model_copy(update={"detail": "; ".join(tried)}) if len(tried) > 1 else called

    # SMS

    async def send(
        self,
        key: str,
        number: str,
        text: str,
        *,
        urgent: bool,
        report: bool,
        validity_s: int,
        speaks: Speaks = always,
    ) -> Handed:
        """One message, in as many parts as it takes; ``report`` asks for delivery reports, which go to ``settle``.
        ``speaks`` is asked right before the first part goes out; raises NotOurs."""
        if is_emergency(number):
            return Handed(result=Result.REFUSED, detail=f"{number} 是紧急号码 is an emergency number")
        reference = self._ledger.next_reference()
        try:
            submits = pdu.submit(number, text, reference=reference, report=report, validity_s=validity_s)
        except ValueError as error:
            return Handed(result=Result.REFUSED, detail=str(error))
        handed = Handed(result=Result.RETRY, detail="没有模块 there is no modem")
        tried: list[str] = []
        for modem in self._best(lambda one: one.health.ready):
            handed = await modem.send(submits, urgent=urgent, speaks=speaks)
            tried.append(handed.detail)
            if handed.result is not Result.RETRY:
                break
        if not tried:
            why = "; ".join(f"{one.name}: {one.en}" for one in self.health())
            return Handed(result=Result.RETRY, detail=f"没有可用的模块 no modem is ready ({why})")
        if handed.result is Result.SENT and report:
            await self._ledger.sent(key, handed.sim, number, handed.references, self._clock.now_ms())
            early, self._early = self._early, []
            for sim, one in early:
                await self._report(sim, one)
        return handed.model_copy(update={"detail": "; ".join(tried)}) if len(tried) > 1 else handed

    def _best(self, usable: Callable[[Modem], bool]) -> list[Modem]:
        """Those that can be used, the one to be taken first in front."""

        def rank(modem: Modem) -> tuple[bool, float, int, int]:
            health = modem.health
            used = health.calls + health.sms_sent
            failed = (health.calls_failed + health.sms_failed) / (used + health.sms_failed + 1)
            return (health.calling, round(failed, 1), used, -(health.signal_dbm or -113))

        return sorted((modem for modem in self._modems if usable(modem)), key=rank)

    # what comes in

    async def _report(self, sim: str, report: StatusReport) -> None:
        now_ms = self._clock.now_ms()
        found = await self._ledger.reported(sim, report.reference, report.recipient, report.status, now_ms)
        if found is None:
            self._early = [*self._early[-50:], (sim, report)]
            log.info("a delivery report that belongs to nothing yet: reference %d", report.reference)
            return
        key, whole = found
        self._settle(key, whole, words(report.status))

    async def _read(self, box: Mailbox) -> None:
        """Hand in what lies on a SIM, and delete it once it was decided."""
        whole, reports = await box.read(self._clock.now_ms())
        for report in reports:
            await self._report(box.sim, report)
        for message in whole:
            await self._hand_in(box, message)

    async def _hand_in(self, box: Mailbox, message: Whole) -> None:
        heard = Heard(id=message.id, channel=SMS, sender=message.sender, text=message.text, at_ms=self._clock.now_ms())
        try:
            answer = await self._listener(heard)
        except Exception:
            box.everything = True  # it stays on the SIM, and is read again
            log.exception("an SMS could not be handed in; it stays on the SIM")
            await asyncio.sleep(self._timing.retry)
            return
        for modem in self._modems:
            if modem.health.sim and box.sim.endswith(modem.health.sim):
                modem.received()
        await box.delete(message.indexes)
        if answer:
            handed = await self.send(
                f"answer:{message.id}", message.sender, answer, urgent=True, report=False, validity_s=3600
            )
            if handed.result is not Result.SENT:
                log.warning("what was to be said back could not be sent: %s", handed.detail)
