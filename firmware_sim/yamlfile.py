"""YAML for the simulator, checked by a Pydantic model; errors name file, line and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

_Model = TypeVar("_Model", bound=BaseModel)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads a district ten times faster; the pure one does where it is missing."""

Loc = tuple[str | int, ...]


class Strict(BaseModel):
    """Base of what people write for the simulator: unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FileError(Exception):
    """A file is not what it should be. One line per fault: ``file:line: key: what was expected``."""


def read(text: str, name: str) -> tuple[Any, dict[Loc, int]]:
    """The document in ``text`` and the line of each of its keys and items. Raises FileError."""
    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        document = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileError(f"{name}:{line}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FileError(f"{name}:1: not YAML: {error}") from None
    finally:
        loader.dispose()
    lines: dict[Loc, int] = {}
    _mark(node, (), lines, name)
    return document, lines


def _mark(node: yaml.Node | None, loc: Loc, lines: dict[Loc, int], name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise FileError(f"{name}:{key.start_mark.line + 1}: {key.value}: given twice; keep one")
            seen.add(key.value)
            lines[(*loc, key.value)] = key.start_mark.line + 1
            _mark(value, (*loc, key.value), lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*loc, index)] = value.start_mark.line + 1
            _mark(value, (*loc, index), lines, name)


def check(model: type[_Model], text: str, name: str) -> tuple[_Model, dict[Loc, int]]:
    """``text`` as a ``model``, and its lines. Raises FileError with every fault."""
    document, lines = read(text, name)
    try:
        return model.model_validate(document), lines
    except ValidationError as error:
        faults = [
            f"{name}:{line_of(fault['loc'], lines)}: {key_of(fault['loc'], lines)}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        ]
        raise FileError("\n".join(faults)) from None


def load(model: type[_Model], path: Path) -> tuple[_Model, dict[Loc, int]]:
    """The file at ``path`` as a ``model``, and its lines. Raises FileError."""
    return check(model, read_text(path), str(path))


def read_text(path: Path) -> str:
    """The file's text. Raises FileError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None


def line_of(loc: Loc, lines: dict[Loc, int]) -> int:
    """The line of a key, or of the nearest thing around it."""
    for length in range(len(loc), 0, -1):
        if loc[:length] in lines:
            return lines[loc[:length]]
    return 1


def key_of(loc: Loc, lines: dict[Loc, int]) -> str:
    """``steps[2].at``: the key as a person would name it; a missing key keeps its name, Pydantic's own tags go."""
    text = ""
    for depth, part in enumerate(loc, start=1):
        if isinstance(part, int):
            text += f"[{part}]"
        elif loc[:depth] in lines or depth == len(loc):
            text += f".{part}" if text else part
    return text or "document"
