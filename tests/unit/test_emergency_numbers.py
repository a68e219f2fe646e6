"""No ordinary call or SMS goes to a public emergency number, however it stands in an address book."""

from __future__ import annotations

import pytest

from gateway.registry.channels import Channel, SmsChannel, VoiceChannel
from gateway.registry.check_numbers import is_emergency, numbers
from gateway.registry.model import Person

DRESSES = ["120", "１２０", "1 2 0", "1-2-0", "+86120", "0086 119", "0120", "00120", "010120", "0571-120", "+8610120"]


@pytest.mark.parametrize("number", DRESSES)
def test_it_is_known_in_every_dress_and_refused_in_an_address_book(number: str) -> None:
    assert is_emergency(number)
    contacts = [{"channel": channel, "to": number} for channel in ("sms", "voice")]
    person = Person.model_validate({"id": "wang", "name": "王", "phone": "000-1", "contacts": contacts})
    channels: dict[str, Channel] = {
        "sms": SmsChannel.model_validate({"id": "sms", "type": "sms"}),
        "voice": VoiceChannel.model_validate({"id": "voice", "type": "voice"}),
    }
    found = list(numbers((person,), channels))
    assert len(found) == 2 and all(one.level == "error" and "emergency number" in one.message for one in found)


@pytest.mark.parametrize("number", ["12345", "8120", "13800138120", "+8613800120120", "01065000120", "12320", ""])
def test_others_are_not_taken_for_one(number: str) -> None:
    assert not is_emergency(number)
