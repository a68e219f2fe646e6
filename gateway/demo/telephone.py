"""The telephone of a demo: a simulated modem at the gateway, by which families are written to and called."""

from __future__ import annotations

from pathlib import Path

from gateway.cases.directory import Address
from gateway.registry.channels import SmsChannel, VoiceChannel
from gateway.registry.model import Community, Person

SMS, VOICE = "sms", "voice"


def modem(data_dir: Path) -> Path:
    """Where its tty is."""
    return data_dir / "modem.tty"


def settings(data_dir: Path) -> list[dict[str, str]]:
    """``modems`` of the gateway's settings."""
    return [{"name": "demo-modem", "port": str(modem(data_dir))}]


def with_telephones(community: Community) -> Community:
    """The community with the modem as channels ``sms`` and ``voice``. Families are told by their messenger and by SMS
    at once where a life is at stake, and are called if neither gets through; everybody else is called last."""
    family = {relative.person for resident in community.residents for relative in resident.family}
    others = tuple(channel for channel in community.channels if channel.id not in (SMS, VOICE))
    return community.model_copy(
        update={
            "channels": (*others, SmsChannel(id=SMS, type="sms"), VoiceChannel(id=VOICE, type="voice")),
            "people": tuple(_reachable(person, person.id in family) for person in community.people),
        }
    )


def _reachable(person: Person, family: bool) -> Person:
    if not person.phone:
        return person
    known = {address.channel for address in person.contacts}
    more = tuple(Address(channel=channel, to=person.phone) for channel in (SMS, VOICE) if channel not in known)
    contacts = (*person.contacts, *more)
    return person.model_copy(update={"contacts": contacts, "at_once": 2 if family else person.at_once})
