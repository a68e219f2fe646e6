"""Read one YAML file with the line of every value, refusing what could hurt or mislead.

Built on libyaml's event stream: depth, size and aliases are checked while reading, before anything is built,
and a file of 10,000 households takes well under a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from gateway.registry.problem import Path, Problem, path_text

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 24
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels, which no community needs"

_STR = "tag:yaml.org,2002:str"
_READS_AS = {
    "tag:yaml.org,2002:bool": "true/false",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:merge": "a merge of another mapping",
    "tag:yaml.org,2002:value": "a default value",
}
_CLOCK = re.compile(r"[-+]?\d+(?::\d\d?)+(?:\.\d*)?")
"""``10:00`` is text, as YAML 1.2 and everybody else has it; YAML 1.1 makes a number of it, to the base 60."""
_QUOTED_OR_COMMENT = re.compile(r"""(?<![^\s:,\[{])(?:"[^"]*"|'[^']*')|(?:^|\s)#.*""")
_TAB = re.compile(r"[ -]*\t")
_NO_SPACE = re.compile(r"[ -]*([a-z][a-z0-9_]*:)(?![\s/:])")
_FULL_WIDTH = (
    (re.compile(r"(?:^[ -]*|[{,，]\s*)[^\s\[{,，:：]+(：)"), "冒号", "“: ”", "colon"),
    (re.compile(r"[\[{][^\]}]*(，)|[\]}]\s*(，)"), "逗号", "“, ”", "comma"),
    (re.compile(r"(?:[:\[{,-]\s*)([“”‘’])"), "引号", '"', "quotation mark"),
    (re.compile(r"[\"'].*([“”‘’])"), "引号", '"', "quotation mark"),
)
"""Marks as a Chinese keyboard writes them where YAML wants the half-width one."""


_LOOKED_AT = 1000
"""So much of a line is searched for them: the patterns take the square of its length, and a line may have millions."""


class Map(dict[str, Any]):
    """A mapping that knows its own line and that of each key."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Seq(list[Any]):
    """A list that knows its own line and that of each entry."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


def line_of(value: object, path: Path, default: int) -> int:
    """The line of ``path`` inside ``value``, or of the last step that exists."""
    line = default
    for step in path:
        if isinstance(value, Map) and step in value.lines:
            line, value = value.lines[str(step)], value.get(str(step))
        elif isinstance(value, Seq) and isinstance(step, int) and step < len(value.lines):
            line, value = value.lines[step], value[step]
        else:
            break
    return line


class _Refused(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def read_yaml(file: str, data: bytes) -> tuple[Any, list[Problem]]:
    """Return the document of ``data`` (None when unreadable) and everything wrong with it as YAML."""
    reader = _Reader(file)
    try:
        return reader.read(data), reader.problems
    except _Refused as refusal:
        reader.complain(refusal.line, "", str(refusal))
    except yaml.MarkedYAMLError as error:
        reader.complain(*_syntax(error, data.decode("utf-8").splitlines()))
    except yaml.YAMLError as error:
        reader.complain(1, "", f"not valid YAML: {' '.join(str(error).split())}")
    return None, reader.problems


def _syntax(error: yaml.MarkedYAMLError, lines: list[str]) -> tuple[int, str, str]:
    """Line, key and message of a file that is no YAML. A mark only a keyboard explains is looked for first."""
    marks = [mark.line for mark in (error.problem_mark, error.context_mark) if mark]
    for index in _suspects(marks, lines):
        if _TAB.match(lines[index]):
            said = f"第 {index + 1} 行用制表符缩进，请改为空格 line {index + 1} is indented with a tab; use spaces"
            return index + 1, "", said
        mark = _full_width(lines[index])
        if mark:
            return index + 1, "", f"第 {index + 1} 行的{mark}"
        key = _NO_SPACE.match(lines[index])
        if key:
            said = f"第 {index + 1} 行的“{key[1]}”后面缺空格 line {index + 1}: put a space after “{key[1]}”"
            return index + 1, "", said
    said = ", ".join(part for part in (error.context, error.problem) if part)
    line = marks[0] + 1 if marks else 1
    if "nesting depth" in said:  # newer scanners have a limit of their own, and reach it first
        return line, "", _TOO_DEEP
    return line, "", f"not valid YAML: {said}; check indentation, quotes and colons"


def _suspects(marks: list[int], lines: list[str]) -> Iterator[int]:
    """The lines the parser stumbled over and the written ones just above: it notices some faults a line late."""
    for mark in marks:
        if mark < len(lines):
            yield mark
        above = min(mark, len(lines)) - 1
        while above > 0 and not lines[above].strip():
            above -= 1
        if above >= 0:
            yield above


def _full_width(line: str) -> str:
    """What to say about the first full-width mark that stands for YAML's own in ``line``, or nothing."""
    bare = _QUOTED_OR_COMMENT.sub(" x ", line[:_LOOKED_AT])
    for pattern, zh, instead, en in _FULL_WIDTH:
        found = pattern.search(bare)
        if found:
            mark = found.group(found.lastindex or 1)
            shown = f"「{mark}」" if mark in "“”‘’" else f"“{mark}”"
            return f"{shown}是全角{zh}，请改为半角 {instead} full-width {en}; use the half-width one"
    return ""


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._open: list[tuple[Map | Seq, str | None]] = []
        """Containers being read, each with the key it will stand under in the one above (None: to be dropped)."""

    def complain(self, line: int, key: str, message: str) -> None:
        self.problems.append(Problem(file=self.file, line=line, key=key, message=message))

    def read(self, data: bytes) -> Any:
        if len(data) > MAX_BYTES:
            raise _Refused(1, f"the file has {len(data)} bytes, at most {MAX_BYTES} are read; split it with include")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise _Refused(line, "expected UTF-8 text, found other bytes; save the file as UTF-8") from None
        loader: Any = yaml.CSafeLoader(data)
        try:
            return self._document(loader)
        finally:
            loader.dispose()

    def _document(self, loader: Any) -> Any:
        root: Any = None
        seen_document = False
        key: str | None = None
        expecting_key = False

        while loader.check_event():
            event = loader.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                line = event.start_mark.line + 1
                if event.anchor or event.tag:
                    self._no_anchor_or_tag(event, line)
                if expecting_key:
                    key = self._key(loader, event, line)
                    expecting_key = False
                    continue
                value = self._value(loader, event, line, key)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                line = event.start_mark.line + 1
                if event.anchor or event.tag:
                    self._no_anchor_or_tag(event, line)
                if expecting_key:
                    raise _Refused(
                        line, "a key must be a word, found a list or a mapping; remove the ? or the brackets"
                    )
                if len(self._open) >= MAX_DEPTH:
                    raise _Refused(line, _TOO_DEEP)
                started: Map | Seq = Map(line) if kind is yaml.MappingStartEvent else Seq(line)
                self._open.append((started, key))
                expecting_key = kind is yaml.MappingStartEvent
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                value, key = self._open.pop()
                line = value.line
            elif kind is yaml.AliasEvent:
                raise _Refused(
                    event.start_mark.line + 1, f"aliases (*{event.anchor}) are not read; write the value out"
                )
            elif kind is yaml.DocumentStartEvent:
                if seen_document:
                    raise _Refused(event.start_mark.line + 1, "one document a file, found a second ---; use include")
                seen_document = True
                continue
            else:
                continue

            if not self._open:
                root = value
                continue
            container = self._open[-1][0]
            if isinstance(container, Seq):
                container.append(value)
                container.lines.append(line)
            elif key is not None:
                container[key] = value
            expecting_key = isinstance(container, Map)
        return root

    def _no_anchor_or_tag(self, event: Any, line: int) -> None:
        if event.anchor:
            raise _Refused(line, f"anchors (&{event.anchor}) are not read; write the value out where it is needed")
        raise _Refused(line, f"tags ({event.tag}) are not read; remove it")

    def _key(self, loader: Any, event: Any, line: int) -> str | None:
        """The key to store the next value under, or None after a complaint."""
        text: str = event.value
        tag = loader.resolve(yaml.ScalarNode, text, event.implicit) if event.implicit[0] else _STR
        where = self._where(text)
        if tag != _STR:
            self.complain(
                line, where, f"YAML reads the key {text} as {_READS_AS.get(tag, tag)}, a key is a word; quote it"
            )
            return None
        container = self._open[-1][0]
        assert isinstance(container, Map)
        if "：" in text and event.implicit[0]:
            self.complain(line, where, f"第 {line} 行的{_full_width(text + ' ')}")
            return None
        if text in container.lines:
            self.complain(line, where, f"given twice, first on line {container.lines[text]}; remove one of them")
            return None
        container.lines[text] = line
        return text

    def _value(self, loader: Any, event: Any, line: int, key: str | None) -> Any:
        text: str = event.value
        if not event.implicit[0] or _CLOCK.fullmatch(text):
            return text
        tag = loader.resolve(yaml.ScalarNode, text, event.implicit)
        if tag == _STR:
            return text
        node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark)
        try:
            return loader.yaml_constructors[tag](loader, node)
        except (KeyError, ValueError, OverflowError, yaml.YAMLError):
            shown = text if len(text) <= 40 else text[:40] + "…"
            inside_map = self._open and isinstance(self._open[-1][0], Map)
            where = self._where(key if inside_map else None)
            self.complain(line, where, f"YAML cannot read {shown} as {_READS_AS.get(tag, tag)}; put it in quotes")
            return text

    def _where(self, last: str | None = None) -> str:
        """The path of what is being read, for a complaint."""
        path: list[str | int] = []
        for depth, (container, key) in enumerate(self._open):
            above = self._open[depth - 1][0] if depth else None
            if isinstance(above, Seq):
                path.append(len(above))
            elif above is not None:
                path.append(key or "?")
            if depth == len(self._open) - 1 and isinstance(container, Seq):
                path.append(len(container))
        return path_text((*path, last) if last is not None else tuple(path))
