"""YAML as people read it in a list: one row a line. For communities that are made up (`anju fleet make`, examples)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

Row = Mapping[str, object]

_BARE = re.compile(r"[A-Za-z一-鿿][A-Za-z0-9一-鿿_-]*")
_TRAPS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def section(name: str, rows: Iterable[Row], about: str) -> str:
    """A list under its key, with a comment above it."""
    return "\n".join((f"# {about}", f"{name}:", *lines(rows))) + "\n"


def lines(rows: Iterable[Row]) -> Iterator[str]:
    """Each row on a line; the duties of a roster each on one of their own."""
    for row in rows:
        duties = row.get("duties")
        if isinstance(duties, list):
            yield f"  - id: {flow(row['id'])}"
            yield from (f"    {key}: {flow(value)}" for key, value in row.items() if key not in ("id", "duties"))
            yield "    duties:"
            yield from (f"      - {flow(duty)}" for duty in duties)
        else:
            yield f"  - {flow(row)}"


def flow(value: object) -> str:
    """A value in YAML's flow style."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _TRAPS:
        return value
    return json.dumps(value, ensure_ascii=False)
