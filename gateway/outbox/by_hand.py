"""A command that a person gives a device: close this valve. Through the outbox, like all that leaves the house."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

import sqlalchemy as sa

from devices.kinds import KINDS
from gateway.cases.effects import DEVICE_CHANNEL, Purpose, Send
from gateway.outbox.rows import enqueue
from gateway.state import tables as t

NO_CASE = ""
"""Such a message belongs to no case; who gave it stands in the device's history."""
GIVE_UP_S = 60
"""Somebody stands there and waits; a valve must not close an hour later."""


class NotObeyed(Exception):
    """The kind knows no such command, or not these arguments. Says what it knows."""


def command_by_hand(
    connection: sa.Connection, device: str, kind: str, command: str, args: Mapping[str, str], actor: str, now_ms: int
) -> str:
    """Put the command into the outbox and into the device's history; returns its key. Raises NotObeyed."""
    known = KINDS[kind].commands
    if command not in known:
        raise NotObeyed(f"{device}: a {kind} knows {', '.join(sorted(known)) or 'no commands'}, not {command!r}")
    for name, value in args.items():
        allowed = known[command].args.get(name)
        if allowed is None:
            expected = ", ".join(known[command].args) or "no arguments"
            raise NotObeyed(f"{device}: {command} takes {expected}, not {name!r}")
        if value not in allowed:
            raise NotObeyed(f"{device}: {command} {name} is one of {', '.join(allowed)}, not {value!r}")
    key = f"by-hand:{device}:{now_ms}:{secrets.token_hex(4)}"
    enqueue(
        connection,
        NO_CASE,
        Send(
            key=key,
            channel=DEVICE_CHANNEL,
            to=device,
            purpose=Purpose.BY_HAND,
            urgent=True,
            title=known[command].zh,
            data={"command": command, "args": dict(args)},
            give_up_after_s=GIVE_UP_S,
        ),
        now_ms,
    )
    detail = {"command": command, "args": dict(args), "key": key}
    connection.execute(
        sa.insert(t.device_history).values(
            device=device, at_ms=now_ms, actor=actor, what="command", detail=json.dumps(detail, ensure_ascii=False)
        )
    )
    return key
