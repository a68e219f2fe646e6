"""What the gateway has to telephone with, as channels of the registry need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.outbox.channel import Listener
from gateway.outbox.channels.sms import SmsMessenger
from gateway.outbox.channels.voice import VoiceCalls
from gateway.outbox.modem.ledger import SmsLedger
from gateway.outbox.modem.pool import ModemPool
from gateway.outbox.voice import Caller
from gateway.registry.channels import SmsChannel, VoiceChannel


@dataclass(frozen=True, slots=True)
class Telephony:
    """The gateway's own lines; they outlive every registry."""

    pool: ModemPool
    ledger: SmsLedger
    callers: Mapping[str, Caller]
    """Ways to place a call, by the name a channel calls them: ``modem``, ``sip``."""
    listener: Listener
    clock: Clock

    def sms(self, channel: SmsChannel) -> SmsMessenger:
        """The SMS channel that the registry asks for."""
        return SmsMessenger(self.pool, self.ledger, delivery_reports=channel.delivery_reports)

    def voice(self, channel: VoiceChannel) -> VoiceCalls:
        """The voice channel that the registry asks for, over the ways that this gateway has."""
        callers = [self.callers[way] for way in channel.by if way in self.callers]
        return VoiceCalls(callers, self.listener, self.clock)
