"""Labels as phones read them. The codes are those of the makers' and alliances' own documentation, or of its shape."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devices.kinds import KINDS
from gateway.registry.label import SERIAL_CHARS, Label, LabelRefused, anju_label, read_label, same_address


@pytest.mark.parametrize(
    ("text", "label"),
    [
        # LoRa Alliance TR005, its example with every extension, and the least there can be.
        (
            "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C",
            Label(form="lorawan", address="aabbccddeeff0011", serial="YYWWNNNNNN"),
        ),
        ("LW:D0:70B3D57ED0000010:0018B20000000101:000AF8BE", Label(form="lorawan", address="0018b20000000101")),
        # Zigbee install codes: the five shapes that makers print.
        (
            "Z:F4CE36D88AB8B6FD$I:00112233445566778899AABBCCDDEEFF528F%M:FFFE$D:AABBCCDD",
            Label(form="zigbee", address="0xf4ce36d88ab8b6fd"),
        ),
        (
            "G$M:69775$S:680S00003915$D:0000000017B2335C%Z$A:54EF44100006E7DF$I:3313A005E177A647FC7925620AB207C4BEF5",
            Label(form="zigbee", address="0x54ef44100006e7df", serial="680S00003915"),
        ),
        (
            "HUE:Z:0123456789ABCDEF0123456789ABCDEF0123 M:0123456789ABCDEF D:L3B A:1184",
            Label(form="zigbee", address="0x0123456789abcdef"),
        ),
        (
            "54EF44100006E7DF|3313A005E177A647FC7925620AB207C4BEF5",
            Label(form="zigbee", address="0x54ef44100006e7df"),
        ),
        (
            "ZB10SG0D83101823480040000000000000000000F4CE36B6202D3DDBDLK00112233445566778899AABBCCDDEEFF528F",
            Label(form="zigbee", address="0xf4ce36b6202d3ddb"),
        ),
        # Names and values.
        ("SN:E12345678", Label(form="fields", serial="E12345678")),
        ("S/N: 24 E1 / 7", Label(form="fields", serial="24 E1 / 7")),
        ("序列号：DS026349738", Label(form="fields", serial="DS026349738")),
        (
            "MAC=00:15:8D:00:01:A2:B3:C4;SN=L9;Model=MCCGQ11LM;Vendor=Aqara",
            Label(form="fields", serial="L9", address="00:15:8D:00:01:A2:B3:C4", model="MCCGQ11LM", vendor="Aqara"),
        ),
        (
            "Model: EM300 SN: 6785D0000001 EUI: 24E124785D000001",
            Label(form="fields", serial="6785D0000001", address="24E124785D000001", model="EM300"),
        ),
        ("HTTPS://WWW.EXAMPLE.COM/?SN=6785&PN=EM300-TH", Label(form="fields", serial="6785", model="EM300-TH")),
        ("https://example.com/d#/bind?deviceId=ab12&kind=smoke", Label(form="fields", address="ab12", kind="smoke")),
        # Anju's own.
        (
            "anju:smoke:0x00158d0001a2b3c4?sn=A%201",
            Label(form="anju", kind="smoke", address="0x00158d0001a2b3c4", serial="A 1"),
        ),
        ("ANJU:sos_button:sos-7F", Label(form="anju", kind="sos_button", address="sos-7F")),
        # Anything else is a serial number.
        ("  E1234-5678 \n", Label(form="serial", serial="E1234-5678")),
        ("https://example.com/p/A1", Label(form="serial", serial="https://example.com/p/A1")),
        ("名牌 01", Label(form="serial", serial="名牌 01")),
    ],
)
def test_what_stands_on_a_label(text: str, label: Label) -> None:
    assert read_label(text) == label


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (" \ufeff\n", "empty"),
        ("x" * 3000, "too long for a label"),
        ("x" * 101, "too long for a serial number"),
        ("MT:Y.K9042C00KA0648G00", "Matter pairing code"),
        ("X-HM://0023ISYWY3OIT", "HomeKit"),
        ("WIFI:S:home;T:WPA;P:secret;;", "wireless network"),
        ("90013022600513051050261630404253700403820100000400500100000016", "Z-Wave"),
        ("LW:D0:70B3D57ED0000010:0018B2000000010:000AF8BE", "DevEUI of 16"),
        ("LW:D1:70B3D57ED0000010", "LW:D0"),
        ("anju:toaster:7", "unknown kind 'toaster'"),
        ("anju:smoke:", "missing address"),
    ],
)
def test_what_names_no_device_says_why(text: str, said: str) -> None:
    with pytest.raises(LabelRefused) as refused:
        read_label(text)
    assert said in refused.value.en
    assert refused.value.zh


def test_keys_are_not_kept() -> None:
    code = "G$M:69775$S:680S$D:0017%Z$A:54EF44100006E7DF$I:3313A005E177A647FC7925620AB207C4BEF5"
    assert "3313A005" not in repr(read_label(code)).upper()
    assert "TOKEN" not in repr(read_label("LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OTOKEN"))


@given(st.text(max_size=2500))
@example("http://[")
@example("LW:")
@example("anju::?")
@example("Z:" + "0" * 16)
def test_any_text_is_understood_or_refused_with_a_reason(text: str) -> None:
    try:
        label = read_label(text)
    except LabelRefused as refused:
        assert refused.zh
        assert refused.en
        return
    assert label.serial or label.address
    for value in (label.serial, label.address, label.vendor, label.model):
        assert value.isprintable()
        assert len(value) <= SERIAL_CHARS


@given(
    st.sampled_from(sorted(KINDS)),
    st.text(
        st.characters(blacklist_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cn", "Co", "Cf")), min_size=1, max_size=60
    ),
    st.text(st.characters(whitelist_categories=("L", "N")), max_size=60),
)
def test_anjus_own_label_says_what_was_put_on_it(kind: str, address: str, serial: str) -> None:
    text = anju_label(kind, address, serial)
    assert text.isascii()
    assert read_label(text) == Label(form="anju", kind=kind, address=address, serial=serial)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0x00158d0001a2b3c4", "00158D0001A2B3C4", True),
        ("00:15:8D:00:01:A2:B3:C4", "0x00158d0001a2b3c4", True),
        ("aa-bb-cc-dd-ee-ff", "AABBCCDDEEFF", True),
        ("front door", "Front Door", True),
        ("sos-1", "sos1", False),
        ("", "", False),
        ("0x00158d0001a2b3c4", "0x00158d0001a2b3c5", False),
    ],
)
def test_one_address_in_many_spellings(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same
