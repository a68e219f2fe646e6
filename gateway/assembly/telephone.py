"""What the gateway telephones with: modems and SIP trunks. They outlive every registry."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.answers.desk import AnswerDesk
from gateway.clock import Clock
from gateway.outbox.channels.sms import report_of
from gateway.outbox.channels.telephony import Telephony
from gateway.outbox.modem.ledger import SmsLedger
from gateway.outbox.modem.pool import ModemPool
from gateway.outbox.modem.reports import Fate
from gateway.outbox.sip.trunk import SipTrunks
from gateway.outbox.speech import Speech
from gateway.outbox.voice import Caller
from gateway.outbox.worker import OutboxWorker
from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Telephone:
    """The lines, and what channels need of them. Made by `make_telephone`; no line is opened before it is started."""

    modems: ModemPool
    trunks: SipTrunks
    telephony: Telephony


def make_telephone(
    settings: Settings,
    clock: Clock,
    engine: sa.Engine,
    answers: AnswerDesk,
    outbox: OutboxWorker,
    stack: contextlib.AsyncExitStack,
) -> Telephone:
    """``answers`` hears SMS and keys that people press, ``outbox`` what became of an SMS."""
    speech = Speech(settings.data_dir / "speech")
    ledger = SmsLedger(engine)
    stack.push_async_callback(asyncio.to_thread, ledger.close)
    modems = ModemPool(
        settings.modems,
        settings.secrets,
        speech,
        ledger,
        clock,
        listener=answers,
        settle=lambda key, fate, words: reported(outbox, key, fate, words),
    )
    trunks = SipTrunks(settings.sip, settings.secrets, speech, settings.data_dir / "sip")
    callers: dict[str, Caller] = {"modem": modems} if settings.modems else {}
    callers |= {"sip": trunks} if settings.sip else {}
    telephony = Telephony(modems, ledger, callers, answers, clock)
    return Telephone(modems=modems, trunks=trunks, telephony=telephony)


def reported(outbox: OutboxWorker, key: str, fate: Fate, words: str) -> None:
    """A delivery report: the outbox hears what is final."""
    if fate is not Fate.TRYING:
        outbox.settle(key, report_of(fate, words))
