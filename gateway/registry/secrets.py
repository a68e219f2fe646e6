"""Secrets are named in the YAML, never written there. Finds the names, and what looks like a secret itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.registry.channels import AppriseChannel, Dc09Channel, SmsChannel, VoiceChannel
from gateway.registry.model import Community
from gateway.registry.problem import Path
from gateway.settings import Secrets

DC09 = "dc09"
NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_SENSITIVE = re.compile(r"token|secret|passw|pwd|api_?key|access_?key|^key$|^sign|^auth", re.IGNORECASE)
_OPAQUE = re.compile(r"(?=[^/]*[A-Za-z])(?=[^/]*[0-9])[A-Za-z0-9_-]{20,}")
_PLAIN_SCHEMES = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "http", "https"})
"""Schemes whose host and path are an address; in every other Apprise scheme they carry the key."""


def references(community: Community) -> Iterator[tuple[str, str, int, Path]]:
    """Every secret the community names: (name, section, index, path)."""
    for index, channel in enumerate(community.channels):
        if isinstance(channel, SmsChannel | VoiceChannel):
            continue  # the lines are this box's: their secrets stand in its settings
        if not isinstance(channel, Dc09Channel):
            for name in _PLACEHOLDER.findall(channel.url):
                yield name, "channels", index, ("url",)
        if not isinstance(channel, AppriseChannel) and channel.secret is not None:
            yield channel.secret, "channels", index, ("secret",)
    for index, bridge in enumerate(community.bridges):
        if bridge.profile == DC09 and "key" in bridge.options:
            yield bridge.options["key"], "bridges", index, ("options", "key")
    for index, device in enumerate(community.devices):
        if device.profile == DC09 and "key" in device.options and device.status == "active":
            yield device.options["key"], "devices", index, ("options", "key")
    line = community.emergency_line
    if line is not None:
        for name in _PLACEHOLDER.findall(line.url):
            yield name, "emergency_line", 0, ("url",)
        if line.secret is not None:
            yield line.secret, "emergency_line", 0, ("secret",)


def missing_secrets(community: Community, secrets: Secrets) -> list[str]:
    """Names of the secrets that the community names and that are not there."""
    found = []
    for name in sorted({name for name, *_ in references(community)}):
        try:
            secrets.get(name)
        except (KeyError, OSError):
            found.append(name)
    return found


def url_faults(url: str, placeholders: frozenset[str]) -> Iterator[str]:
    """What is wrong with a channel's URL. ``placeholders``: the ``{…}`` the channel fills in."""
    for name in _PLACEHOLDER.findall(url):
        if not NAME.fullmatch(name):
            yield f"${{{name}}} is no name of a secret; expected capitals, digits and _, such as ${{WECOM_KEY}}"
    bare = _PLACEHOLDER.sub("SECRET", url)
    for field in re.findall(r"\{([^}]*)\}", bare):
        if field not in placeholders:
            allowed = ", ".join(f"{{{name}}}" for name in sorted(placeholders)) or "none"
            yield f"unknown placeholder {{{field}}}; expected {allowed}, or ${{NAME}} for a secret"
    try:
        parts = urlsplit(re.sub(r"\{[^}]*\}", "x", bare))
        host_is_written = parts.netloc.rpartition("@")[2]
    except ValueError:
        yield f'expected a URL such as json://host/path, found "{url}"'
        return
    if not parts.scheme or not host_is_written:
        yield f'expected a URL such as json://host/path, found "{url}"'
        return
    yield from _inline(parts.scheme, parts.username, parts.password, parts.netloc, parts.path, parts.query)


def _inline(scheme: str, user: str | None, password: str | None, netloc: str, path: str, query: str) -> Iterator[str]:
    advice = "secrets never stand in the YAML: put it into the environment or the secrets directory and write ${NAME}"
    address = re.sub(r"^\[[^\]]*\]", "ip", netloc.rpartition("@")[2])
    host, _, port = address.partition(":")
    hidden = password if password is not None else port if not port.isdigit() and host else None
    if hidden and hidden != "SECRET":
        yield f"a password stands in the URL; {advice}"
    for key, value in parse_qsl(query, keep_blank_values=False):
        if _SENSITIVE.search(key) and value != "SECRET":
            yield f"{key}= carries a secret; {advice}"
    if scheme not in _PLAIN_SCHEMES:
        pieces = [user or "", host, *path.split("/")]
        if any(_OPAQUE.fullmatch(unquote(piece)) for piece in pieces):
            yield f"the URL carries what looks like a key; {advice}"
