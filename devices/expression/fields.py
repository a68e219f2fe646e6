"""The fields of a payload that one expression reads: how they are named, and the lines that fetch them."""

from __future__ import annotations

import json
import keyword
import unicodedata
from collections.abc import Mapping

from devices.expression.functions import FINITE, Type

Path = tuple[str | int, ...]

THIS = "this"
"""The payload itself, for keys that are no names."""
RESERVED = ("true", "false", "null", THIS)
"""Names that are no fields."""

_NUMBER = (
    f"({{name}} if {{given}}.__class__ is float and {-FINITE!r} <= {{name}} <= {FINITE!r} "
    f"else {{name}} + 0.0 if {{name}}.__class__ is int and {-FINITE!r} <= {{name}} <= {FINITE!r} else None)"
)
_CONVERSIONS: Mapping[Type, str] = {
    "number": _NUMBER,
    "text": "({name} if {given}.__class__ is str else None)",
    "truth": "({name} if {given}.__class__ is bool else None)",
    "any": "({name} if {given}.__class__ is str or {name}.__class__ is bool else "
    + _NUMBER.replace("{given}", "{name}")
    + ")",
}


def conversion(want: Type, name: str, given: str | None = None) -> str:
    """Code: the value of ``name`` if it is a ``want``, else None. ``given`` is written where it is first looked at."""
    return _CONVERSIONS[want].format(name=name, given=given or name)


def written(path: Path) -> str:
    """A path as an expression names it: ``after.score``, ``StatusSNS[0]``, ``this["odd key"]``."""
    root, *rest = path
    text = str(root) if _plain(root) and root not in RESERVED else f"this[{_key(root)}]"
    for key in rest:
        text += f".{key}" if _plain(key) else f"[{_key(key)}]"
    return text


def hidden(name: str) -> bool:
    """Names between underscores are Python's own, and no field's."""
    return name.startswith("_") and name.endswith("_")


def _plain(key: str | int) -> bool:
    if isinstance(key, int) or hidden(key) or keyword.iskeyword(key):
        return False
    return key.isidentifier() and unicodedata.is_normalized("NFKC", key)


def _key(key: str | int) -> str:
    return json.dumps(key, ensure_ascii=False)


class Fields:
    """Collects what is to be fetched; each field, and each conversion of it, is fetched once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: set[str] = set()
        self._slots: dict[Path, str] = {}
        self._converted: dict[tuple[str, Type], str] = {}

    def slot(self, path: Path) -> str:
        """The variable that holds what the payload has at ``path``: any object, None where nothing is."""
        self.names.add(written(path))
        return self._fetched(path)

    def _fetched(self, path: Path) -> str:
        if path in self._slots:
            return self._slots[path]
        *parents, key = path
        if not parents:
            code = f"get({key!r})"
        else:
            parent = self._fetched(tuple(parents))
            if isinstance(key, int):
                code = f"{parent}[{key}] if {parent}.__class__ is list and {key} < {parent}.__len__() else None"
            else:
                code = f"{parent}.get({key!r}) if {parent}.__class__ is dict else None"
        name = self._slots[path] = f"f{len(self._slots)}"
        self.lines.append(f"{name} = {code}")
        return name

    def converted(self, slot: str, want: Type) -> str:
        """The variable that holds a slot's value if it is a ``want``, else None."""
        if (slot, want) not in self._converted:
            name = self._converted[slot, want] = f"{want[0] if want != 'truth' else 'b'}{slot}"
            self.lines.append(f"{name} = {conversion(want, slot)}")
        return self._converted[slot, want]
