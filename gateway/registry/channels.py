"""The ways out of the house, as a community names them: messengers, webhooks, the emergency line."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.alarms import Frozen
from gateway.registry.values import Id


class AppriseChannel(Frozen):
    """Any of Apprise's messengers. ``url`` is a template: ``{to}`` is the address, ``${NAME}`` a secret; both are
    percent-encoded, so host and port are two names."""

    id: Id
    type: Literal["apprise"]
    url: str
    per_minute: int | None = Field(default=None, ge=1, le=100_000)
    """So many messages a minute at the most, as the provider allows (a WeCom robot: 20). Urgent ones go first; one that
    has waited 15 s goes another way as well."""


class WebhookChannel(Frozen):
    """A signed HTTP POST (HMAC-SHA256 over timestamp and body)."""

    id: Id
    type: Literal["webhook"]
    url: str
    secret: str
    """Name of the secret in the environment or the secrets directory, never the secret itself."""
    per_minute: int | None = Field(default=None, ge=1, le=100_000)
    """So many messages a minute at the most."""


class CapChannel(Frozen):
    """CAP 1.2 messages by a signed HTTP POST, as webhooks are. For outside systems (``hand_over``), not for people."""

    id: Id
    type: Literal["cap"]
    url: str
    secret: str
    """Name of the secret by which messages are signed."""


class Dc09Receiver(Frozen):
    """One receiver of an alarm receiving centre."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(ge=1, le=65535)
    transport: Literal["tcp", "udp"] = "tcp"


class Dc09Channel(Frozen):
    """An alarm receiving centre, told by SIA DC-09 in Contact ID. For outside systems (``hand_over``), not people."""

    id: Id
    type: Literal["dc09"]
    receivers: tuple[Dc09Receiver, ...] = Field(min_length=1, max_length=2)
    """The first, and a second for when it does not answer."""
    account: str = Field(pattern=r"^[0-9A-Fa-f]{3,16}$")
    receiver: str = Field(default="0", pattern=r"^[0-9A-Fa-f]{1,6}$")
    line: str = Field(default="0", pattern=r"^[0-9A-Fa-f]{1,6}$")
    secret: str | None = None
    """Name of the secret with the AES key: 16, 24 or 32 characters, or ``hex:`` and digits. Without it: in plain."""
    poll_s: int = Field(default=60, ge=0, le=86_400)
    """How often the path is tried by a link test (``NULL``); 0: only by what there is to say."""


class SmsChannel(Frozen):
    """SMS over the gateway's own modems (``modems`` of the settings). An address is a telephone number."""

    id: Id
    type: Literal["sms"]
    delivery_reports: bool = True
    """Delivered is what the report says. Without: what the SMS centre takes, for networks that report nothing."""


class VoiceChannel(Frozen):
    """A call with the words spoken, in which a key is pressed. An address is a telephone number."""

    id: Id
    type: Literal["voice"]
    by: tuple[Literal["modem", "sip"], ...] = Field(default=("modem", "sip"), min_length=1)
    """The ways to place it, in their order: the next where the one before has no line."""


Channel = Annotated[
    AppriseChannel | WebhookChannel | CapChannel | Dc09Channel | SmsChannel | VoiceChannel, Field(discriminator="type")
]
