"""Telephone numbers in an address book: can they be called, and may they be?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from gateway.registry.channels import Channel, SmsChannel, VoiceChannel
from gateway.registry.finding import Finding
from gateway.registry.model import Person

EMERGENCY = frozenset({"110", "112", "119", "120", "122", "911", "999"})
"""What no call or SMS of an ordinary message goes to, whatever stands in an address book."""
_AREA_MOST = 3
"""Digits of an area without its leading 0: 010, 0571. No subscriber's number is so short behind one."""
_NUMBER = re.compile(r"\+?[0-9][0-9 \-]{1,24}")


def is_emergency(number: str, country: str = "86") -> bool:
    """Whether this is a public emergency number, in whatever digits, with or without a country or an area before it:
    120, １２０, 1-2-0, +86120, 0086 119, 010120, 0571-120."""
    plain = re.sub(r"[^0-9+]", "", unicodedata.normalize("NFKC", number))
    national = plain.lstrip("+").lstrip("0").removeprefix(country).lstrip("0")
    dressed = plain[:1] in ("+", "0") and len(national) <= 3 + _AREA_MOST and national[-3:] in EMERGENCY
    return national in EMERGENCY or dressed


def numbers(people: tuple[Person, ...], channels: Mapping[str, Channel]) -> Iterator[Finding]:
    """Addresses in SMS and voice channels that are no numbers, or are those of the emergency services."""
    for index, person in enumerate(people):
        for position, address in enumerate(person.contacts):
            if not isinstance(channels.get(address.channel), SmsChannel | VoiceChannel):
                continue
            bare = re.sub(r"[ \-]", "", address.to)
            if is_emergency(bare):
                message = f"{bare} is an emergency number; only a ladder's line (call) reaches it, no person's address"
            elif not _NUMBER.fullmatch(address.to.strip()) or not 3 <= len(bare.lstrip("+")) <= 20:
                message = f'expected a telephone number such as 13800000000 or +86 138 0000 0000, found "{address.to}"'
            else:
                continue
            path = ("contacts", position, "to")
            yield Finding(level="error", section="people", index=index, path=path, message=message)
