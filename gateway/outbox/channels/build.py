"""The channels of a community, from its registry. Built anew when the registry changes."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.cases.effects import DEVICE_CHANNEL, LINE_CHANNEL
from gateway.outbox.channel import OutboxChannel
from gateway.outbox.channels.apprise_messenger import AppriseMessenger
from gateway.outbox.channels.device_command import DeviceCommandChannel, Publish
from gateway.outbox.channels.emergency_line import DrillLine, Vitals
from gateway.outbox.channels.telephony import Telephony
from gateway.outbox.channels.webhook import Webhook
from gateway.registry.channels import AppriseChannel, SmsChannel, VoiceChannel, WebhookChannel
from gateway.registry.model import Community
from gateway.settings import Secrets


def build_channels(
    community: Community,
    secrets: Secrets,
    publish: Publish,
    vitals: Vitals | None = None,
    *,
    telephony: Telephony | None = None,
) -> dict[str, OutboxChannel]:
    """Every way out of the house, by the name that messages use. To be called in the event loop that sends.

    ``telephony``: the lines of this gateway; without them whoever is reached by SMS or a call only is not reached.
    Raises ValueError for a channel whose id is a name of the house's own, or a line whose URL is not HTTP.
    """
    channels: dict[str, OutboxChannel] = {}
    for channel in community.channels:
        if channel.id in (DEVICE_CHANNEL, LINE_CHANNEL):
            raise ValueError(f"channels: {channel.id!r} is Anju's own name: call the channel something else")
        match channel:
            case AppriseChannel():
                channels[channel.id] = AppriseMessenger(channel.url, secrets)
            case WebhookChannel():
                channels[channel.id] = Webhook(channel.url, channel.secret, secrets)
            case SmsChannel() if telephony is not None:
                channels[channel.id] = telephony.sms(channel)
            case VoiceChannel() if telephony is not None:
                channels[channel.id] = telephony.voice(channel)
    channels[DEVICE_CHANNEL] = DeviceCommandChannel(publish)
    line = community.emergency_line
    if line is not None:
        channels[LINE_CHANNEL] = DrillLine(line.url, line.secret, secrets, backup_url=line.backup_url, vitals=vitals)
    return channels


def emergency_line(channels: Mapping[str, OutboxChannel]) -> DrillLine | None:
    """The 120 line among the channels, to be asked whether it answers."""
    line = channels.get(LINE_CHANNEL)
    return line if isinstance(line, DrillLine) else None
