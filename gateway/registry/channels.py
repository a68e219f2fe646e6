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


class WebhookChannel(Frozen):
    """A signed HTTP POST (HMAC-SHA256 over timestamp and body)."""

    id: Id
    type: Literal["webhook"]
    url: str
    secret: str
    """Name of the secret in the environment or the secrets directory, never the secret itself."""


Channel = Annotated[AppriseChannel | WebhookChannel, Field(discriminator="type")]


class EmergencyLine(Frozen):
    """The 120 line. Only ``drill`` exists in this version: nothing here can reach the public network."""

    mode: Literal["drill"] = "drill"
    url: str
    """Base of the simulated 120 centre: ``http://${CENTRE_HOST}:${CENTRE_PORT}``; the driver adds ``/calls``."""
    secret: str | None = None
    """Name of the secret that holds the centre's token, where it wants one."""
