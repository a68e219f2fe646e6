"""YAML that people write for profiles: read as texts, with the line of every key.

Every scalar stays the text that was written. So ``on``, ``off``, ``no`` and ``1.10`` are what they look like, and an
expression needs no quotes to be kept from becoming a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from devices.gear.profile_error import ProfileError

MAX_CHARACTERS = 262_144
MAX_DEPTH = 12

Value = str | list[Any] | dict[str, Any]
"""Texts, and lists and tables of such."""
Path = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there: a profile is read ten times faster."""


@dataclass(slots=True)
class Document:
    """One file, and where everything in it stands."""

    file: str
    value: Value
    lines: dict[Path, int] = field(default_factory=dict)

    def error(self, path: Path, problem: str, *, expected: str, hint: str) -> ProfileError:
        """An error at ``path``, or at the nearest thing around it that was written."""
        line = next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 1)
        return ProfileError(problem, expected=expected, hint=hint, file=self.file, line=line, key=key_of(path))


def key_of(path: Path) -> str:
    """``kinds.smoke.events``, ``messages[2].when``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read(text: str, file: str) -> Document:
    """The document in ``text``. Raises ProfileError; ``file`` is its name in errors."""
    if len(text) > MAX_CHARACTERS:
        raise ProfileError(
            f"it has {len(text)} characters",
            expected=f"at most {MAX_CHARACTERS}",
            hint="split it into several profiles",
            file=file,
            line=1,
        )
    try:
        loader = _LOADER(text)
        try:
            document = Document(file, {})
            _build(_events(loader), document)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _not_yaml(error, file) from None
    return document


def _not_yaml(error: yaml.YAMLError, file: str) -> ProfileError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return ProfileError(
        f"not YAML: {problem}",
        expected="YAML",
        hint='indent with spaces, and put a text with ": ", " #" or a quote at its beginning into single quotes',
        file=file,
        line=mark.line + 1 if mark is not None else 1,
    )


def _events(loader: Any) -> Iterator[Any]:
    while loader.check_event():
        yield loader.get_event()


def _build(events: Iterator[Any], document: Document) -> None:
    """Fill ``document``. Depth and repeats are checked while reading, before anything is built."""
    stack: list[tuple[dict[str, Any] | list[Any], Path]] = []
    key: str | None = None
    seen = False
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            if seen:
                raise _refused(document, line, "a second document begins here", "one document in a file", "remove ---")
            seen = True
            continue
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused(document, line, "anchors and aliases are not read", "the value itself", "write it out")
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            continue
        value: Value
        if isinstance(event, yaml.ScalarEvent):
            value = event.value
        elif isinstance(event, yaml.CollectionStartEvent):
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
        else:
            continue
        if not stack:
            document.value = value
            path: Path = ()
        else:
            container, above = stack[-1]
            if isinstance(container, list):
                path = (*above, len(container))
                container.append(value)
            elif key is None:
                key = _key(document, container, above, value, line)
                continue
            else:
                path, container[key], key = (*above, key), value, None
        document.lines.setdefault(path, line)
        if not isinstance(value, str):
            if len(stack) >= MAX_DEPTH:
                raise _refused(document, line, "it is nested too deeply", f"at most {MAX_DEPTH} levels", "simplify it")
            stack.append((value, path))


def _key(document: Document, container: dict[str, Any], above: Path, value: Value, line: int) -> str:
    if not isinstance(value, str):
        raise _refused(document, line, "a list or a table stands where a key is", "a word", "put it in quotes")
    if value in container:
        raise _refused(
            document, line, "given twice", "each key once", "keep one of the two", key=key_of((*above, value))
        )
    document.lines[(*above, value)] = line
    return value


def _refused(document: Document, line: int, problem: str, expected: str, hint: str, key: str = "") -> ProfileError:
    return ProfileError(problem, expected=expected, hint=hint, file=document.file, line=line, key=key)
