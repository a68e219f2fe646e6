"""The channels of a community, from its registry. Built anew when the registry changes."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.cases.effects import DEVICE_CHANNEL, DRILL_LINE_CHANNEL, LINE_CHANNEL, OWN_CHANNELS
from gateway.clock import Clock
from gateway.outbox.channel import OutboxChannel
from gateway.outbox.channels.apprise_messenger import AppriseMessenger
from gateway.outbox.channels.cap import CapPost
from gateway.outbox.channels.dc09 import Dc09Centre, PathHealth
from gateway.outbox.channels.device_command import DeviceCommandChannel, Publish
from gateway.outbox.channels.emergency_line import DrillLine, Vitals
from gateway.outbox.channels.live_line import ClosedLine, LiveLine, NotPermitted, permit
from gateway.outbox.channels.telephony import Telephony
from gateway.outbox.channels.webhook import Webhook
from gateway.outbox.dc09_book import Dc09Book
from gateway.registry.channels import (
    AppriseChannel,
    CapChannel,
    Dc09Channel,
    SmsChannel,
    VoiceChannel,
    WebhookChannel,
)
from gateway.registry.line import EmergencyLine
from gateway.registry.model import Community
from gateway.settings import Secrets


def build_channels(
    community: Community,
    secrets: Secrets,
    publish: Publish,
    vitals: Vitals | None = None,
    *,
    telephony: Telephony | None = None,
    reporting: tuple[Dc09Book, Clock] | None = None,
    may_dial: bool = False,
) -> dict[str, OutboxChannel]:
    """Every way out of the house, by the name that messages use. To be called in the event loop that sends.

    ``telephony``: the lines of this gateway; without them whoever is reached by SMS or a call only is not reached.
    ``reporting``: the sequence numbers of what alarm receiving centres are told; without them they are told nothing.
    ``may_dial``: whether this box may dial public emergency lines where the community's line is live.
    Raises ValueError for a channel whose id is a name of the house's own, or a line whose URL is not HTTP.
    """
    channels: dict[str, OutboxChannel] = {}
    for channel in community.channels:
        if channel.id in OWN_CHANNELS:
            raise ValueError(f"channels: {channel.id!r} is Anju's own name: call the channel something else")
        match channel:
            case AppriseChannel():
                channels[channel.id] = AppriseMessenger(channel.url, secrets, per_minute=channel.per_minute)
            case WebhookChannel():
                channels[channel.id] = Webhook(channel.url, channel.secret, secrets, per_minute=channel.per_minute)
            case CapChannel():
                channels[channel.id] = CapPost(channel.id, channel.url, channel.secret, secrets)
            case Dc09Channel() if reporting is not None:
                channels[channel.id] = Dc09Centre(channel, secrets, *reporting)
            case SmsChannel() if telephony is not None:
                channels[channel.id] = telephony.sms(channel)
            case VoiceChannel() if telephony is not None:
                channels[channel.id] = telephony.voice(channel)
    channels[DEVICE_CHANNEL] = DeviceCommandChannel(publish)
    line = community.emergency_line
    if line is not None and line.url:
        drill = DrillLine(line.url, line.secret, secrets, backup_url=line.backup_url, vitals=vitals)
        channels[LINE_CHANNEL if line.mode == "drill" else DRILL_LINE_CHANNEL] = drill
    if line is not None and line.mode == "live":
        channels[LINE_CHANNEL] = _live(line, community, telephony, may_dial=may_dial)
    return channels


def _live(
    line: EmergencyLine, community: Community, telephony: Telephony | None, *, may_dial: bool
) -> LiveLine | ClosedLine:
    try:
        permitted = permit(line, box_allows=may_dial, timezone=community.community.timezone)
    except NotPermitted as error:
        return ClosedLine(str(error))
    if telephony is None:
        return ClosedLine("本机没有电话线路 this box has no modem and no trunk")
    ways = permitted.agreement.by
    callers = [telephony.callers[way] for way in ways if way in telephony.callers]
    return LiveLine(permitted, callers, telephony.clock)


def emergency_line(channels: Mapping[str, OutboxChannel]) -> DrillLine | LiveLine | ClosedLine | None:
    """The 120 line among the channels, to be asked whether it answers."""
    line = channels.get(LINE_CHANNEL)
    return line if isinstance(line, DrillLine | LiveLine | ClosedLine) else None


def paths(channels: Mapping[str, OutboxChannel]) -> list[PathHealth]:
    """How the ways to alarm receiving centres are."""
    return [path for channel in channels.values() if isinstance(channel, Dc09Centre) for path in channel.paths]
