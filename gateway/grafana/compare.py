"""What differs between what is wanted and what Grafana holds: what it adds of its own does not count."""

from __future__ import annotations

import re
from typing import Any

_DURATIONS = frozenset({"for", "keep_firing_for", "group_wait", "group_interval", "repeat_interval"})
_SPAN = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_SHOWN = 60


def differences(wanted: Any, found: Any, path: str = "") -> list[str]:
    """Where ``found`` is not as ``wanted`` says: ``settings.url: http://a → http://b``. Empty where nothing differs.

    Keys that only ``found`` has are Grafana's own. Lists must be the same, item by item.
    """
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [
            line
            for key, value in wanted.items()
            for line in differences(value, found.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [
            line
            for at, (value, other) in enumerate(zip(wanted, found, strict=True))
            for line in differences(value, other, f"{path}[{at}]")
        ]
    if path.rpartition(".")[2] in _DURATIONS and isinstance(wanted, str) and isinstance(found, str):
        wanted_s, found_s = seconds(wanted), seconds(found)
        if wanted_s is not None and wanted_s == found_s:
            return []
    if wanted == found or (found is None and wanted in (False, "", 0, [], {})):
        return []  # what is false, empty or nought is left out by Grafana
    return [f"{path}: {_shown(found)} → {_shown(wanted)}"]


def seconds(text: str) -> float | None:
    """Length of ``1h30m``, ``300s``; None for anything else."""
    found = _SPAN.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in found)


def _shown(value: Any) -> str:
    text = "–" if value is None else f"{value}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
