"""Telephone numbers in an address book: can they be called, and may they be?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gateway.registry.channels import Channel, SmsChannel, VoiceChannel
from gateway.registry.finding import Finding
from gateway.registry.model import Person

EMERGENCY = frozenset({"110", "112", "119", "120", "122", "911", "999"})
"""What no call or SMS of an ordinary message goes to, whatever stands in an address book."""
_NUMBER = re.compile(r"\+?[0-9][0-9 \-]{1,24}")


def numbers(people: tuple[Person, ...], channels: Mapping[str, Channel]) -> Iterator[Finding]:
    """Addresses in SMS and voice channels that are no numbers, or are those of the emergency services."""
    for index, person in enumerate(people):
        for position, address in enumerate(person.contacts):
            if not isinstance(channels.get(address.channel), SmsChannel | VoiceChannel):
                continue
            bare = re.sub(r"[ \-]", "", address.to)
            if bare in EMERGENCY:
                message = f"{bare} is an emergency number; only a ladder's line (call) reaches it, no person's address"
            elif not _NUMBER.fullmatch(address.to.strip()) or not 3 <= len(bare.lstrip("+")) <= 20:
                message = f'expected a telephone number such as 13800000000 or +86 138 0000 0000, found "{address.to}"'
            else:
                continue
            path = ("contacts", position, "to")
            yield Finding(level="error", section="people", index=index, path=path, message=message)
