"""What stands on a device: the text of its QR code or label, as a phone or a hand scanner reads it.

Only what names the device is taken: address, serial number, kind, maker, model. Install codes, owner tokens and other
keys that stand in the same codes are for whoever lets the device into its network, and are not kept.

Sources: LoRa Alliance TR005 (LoRaWAN Device Identification QR Codes); the Zigbee install-code labels as the makers
print them and the documentation of Zigbee2MQTT and ZHA lists them; the Matter core specification 5.1 (``MT:``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from devices.kinds import KINDS

SERIAL_CHARS = 100
"""As many as `Device.serial` takes."""
_TEXT_CHARS = 2_000
"""More than the largest QR code that a phone reads from a label."""


class LabelRefused(ValueError):
    """The text names no device; ``zh`` and ``en`` say why and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a label says."""

    form: str
    """``anju``, ``lorawan``, ``zigbee``, ``fields`` (names and values), ``serial`` (nothing but a number)."""
    serial: str = ""
    address: str = ""
    """As bridges write it: ``0x…`` of Zigbee, plain hexadecimal of LoRaWAN."""
    kind: str | None = None
    vendor: str = ""
    model: str = ""


def read_label(text: str) -> Label:
    """What ``text`` says; what is not understood is taken for a serial number. Raises LabelRefused."""
    text = text.strip().strip("\ufeff")
    if not any(one.isprintable() and not one.isspace() for one in text):
        raise LabelRefused("标签内容为空", "empty; scan the label again, or type its serial number")
    if len(text) > _TEXT_CHARS:
        raise LabelRefused("内容过长，不是设备标签", f"too long for a label ({len(text)} characters)")
    _refuse_keys(text)
    for form in (_anju, _lorawan, _zigbee, _url, _fields):
        label = form(text)
        if label is not None:
            return label
    return Label(form="serial", serial=_clean(text))


def anju_label(kind: str, address: str, serial: str = "") -> str:
    """The text of Anju's own label."""
    return f"anju:{kind}:{quote(address, safe='')}" + (f"?sn={quote(serial, safe='')}" if serial else "")


def same_address(one: str, other: str) -> bool:
    """Whether two spellings name one address: makers print MAC and EUI in every way there is."""
    return bool(one) and _bare(one) == _bare(other)


def _bare(address: str) -> str:
    bare = re.sub(r"[\s:.-]", "", address.lower()).removeprefix("0x")
    return bare if re.fullmatch(r"[0-9a-f]{12,16}", bare) else address.lower()


_KEYS = (
    (re.compile(r"MT:", re.I), "Matter 配对码", "a Matter pairing code"),
    (re.compile(r"X-HM://", re.I), "HomeKit 配对码", "a HomeKit pairing code"),
    (re.compile(r"WIFI:", re.I), "无线网络密码", "the password of a wireless network"),
    (re.compile(r"90\d{50,}$"), "Z-Wave 入网密钥", "a Z-Wave key (SmartStart)"),
)


def _refuse_keys(text: str) -> None:
    for pattern, zh, en in _KEYS:
        if pattern.match(text):
            raise LabelRefused(
                f"这是{zh}，不是设备编号；请先在网桥上配对，再从“待接入”中选择",
                f"this is {en} and names no device: pair it with its bridge first, then choose it among the strangers",
            )


def _anju(text: str) -> Label | None:
    found = re.match(r"anju:([^:?]*):([^?]*)(?:\?(.*))?$", text, re.I | re.S)
    if found is None:
        return None
    kind, address = found[1].lower(), _clean(unquote(found[2]))
    if kind not in KINDS:
        raise LabelRefused(
            f"标签上的设备种类 {kind} 未知", f"unknown kind {kind!r}; known kinds: {', '.join(sorted(KINDS))}"
        )
    if not address:
        raise LabelRefused("标签上没有地址", "missing address: expected anju:<kind>:<address>")
    told = _named(dict(parse_qsl(found[3] or "", keep_blank_values=True)))
    return Label(form="anju", kind=kind, address=address, serial=told.get("serial", ""), model=told.get("model", ""))


def _lorawan(text: str) -> Label | None:
    """``LW:D0:<JoinEUI>:<DevEUI>:<ProfileID>`` and extensions, each with its letter: O owner token, S serial …"""
    if not text.upper().startswith("LW:"):
        return None
    parts = text.split(":")
    if parts[1].upper() != "D0" or len(parts) < 5 or not re.fullmatch(r"[0-9A-Fa-f]{16}", parts[3]):
        raise LabelRefused(
            "LoRaWAN 标签不完整",
            "expected LW:D0:<JoinEUI>:<DevEUI of 16 hexadecimal digits>:<ProfileID>; scan it again",
        )
    serial = next((part[1:] for part in parts[5:] if part[:1].upper() == "S"), "")
    return Label(form="lorawan", address=parts[3].lower(), serial=_clean(serial))


_EUI = "([0-9A-Fa-f]{16})"
_ZIGBEE = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?:.*[%$])?Z:{_EUI}\$I:[0-9A-F]+",  # Ubisys, Danfoss, Inovelli, Ledvance, Somfy
        rf"{_EUI}\|[0-9A-F]+$",  # Müller-Licht, Innr
        rf"G\$M:.*\$A:{_EUI}\$I:[0-9A-F]+",  # Aqara
        rf"HUE:Z:[0-9A-F]+ M:{_EUI}\b",  # Philips Hue
        rf".*{_EUI}DLK[0-9A-F]{{32,36}}$",  # Bosch and others
        rf"Z:{_EUI}(?:\$|%|$)",
    )
)


def _zigbee(text: str) -> Label | None:
    for pattern in _ZIGBEE:
        if found := pattern.match(text):
            serial = re.search(r"\$S:([^$%]+)", text)
            return Label(form="zigbee", address=f"0x{found[1].lower()}", serial=_clean(serial[1]) if serial else "")
    return None


_NAMES: Mapping[str, str] = {
    name: meaning
    for meaning, names in {
        "serial": "sn s/n serial serialno serialnumber serno 序列号 设备序列号 产品序列号 编号",
        "address": "mac macaddress eui deveui ieee ieeeaddr ieeeaddress addr address imei deviceid devid did 地址",
        "model": "model modelno modelnumber pn p/n 型号 产品型号",
        "vendor": "vendor brand maker manufacturer mfr 厂家 品牌 生产厂家",
        "kind": "kind",
    }.items()
    for name in names.split()
}


def _named(given: Mapping[str, str]) -> dict[str, str]:
    """By meaning, the first that has one."""
    found: dict[str, str] = {}
    for key, value in given.items():
        meaning = _NAMES.get(re.sub(r"[\s_.#-]", "", key.lower()))
        if meaning is not None and value.strip():
            found.setdefault(meaning, _clean(value))
    return found


def _url(text: str) -> Label | None:
    if not re.match(r"https?://", text, re.I):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    queries = "&".join((parts.query, parts.fragment.partition("?")[2]))
    return _label(_named(dict(parse_qsl(queries))))


def _fields(text: str) -> Label | None:
    """``SN: A1; MAC: 00-11-…`` with names and values in any of the usual ways."""
    pairs = re.split(r"[;,\n\r|&]+", text)
    if len(pairs) == 1:  # several on one line, told apart by nothing but the names
        pairs = re.split(r"\s+(?=[\w/#.]+\s*[:=：])", text)
    given: dict[str, str] = {}
    for pair in pairs:
        if found := re.match(r"\s*([^\s:=：][^:=：]*?)\s*[:=：]\s*(.*)$", pair, re.S):
            given.setdefault(found[1], found[2])
    return _label(_named(given))


def _label(told: Mapping[str, str]) -> Label | None:
    if "serial" not in told and "address" not in told:
        return None
    kind = told.get("kind")
    return Label(
        form="fields",
        serial=told.get("serial", ""),
        address=told.get("address", ""),
        kind=kind if kind in KINDS else None,
        vendor=told.get("vendor", ""),
        model=told.get("model", ""),
    )


def _clean(text: str) -> str:
    """A name in one printable line. Raises LabelRefused for one that is too long."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    if len(line) > SERIAL_CHARS:
        raise LabelRefused(
            "内容过长，不是序列号", f"too long for a serial number: at most {SERIAL_CHARS} characters, got {len(line)}"
        )
    return line
