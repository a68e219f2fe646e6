"""One rule as text: read with everything that is wrong in it and where, written so that people can go on from it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from gateway.registry.explain import show
from gateway.registry.load import begin_version, rules_of
from gateway.registry.problem import Problem
from gateway.registry.sources import Entry
from gateway.registry.yamlfile import Map, Seq, read_yaml
from gateway.rules.document import RuleDocument

LINE = 96
"""What is longer stands on several lines."""
TEXT_BYTES = 256 * 1024
"""The longest text of a rule: with fifty examples it has some 20 kB."""
_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
_FIRST = ("id", "version", "zh", "en", "enabled", "shadow", "form", "kinds", "subject", "where", "hours", "days")
_LAST = ("raises", "say", "do", "inhibited_by", "rest_s", "storm", "examples")
_SWITCHES = frozenset({"enabled", "shadow"})

Given = str | Mapping[str, Any]
"""A rule as YAML text (JSON is YAML too), or as a document that was read already."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule that somebody wrote and that can run."""

    rule: RuleDocument
    entry: Entry
    """Where it stands in the text."""
    version: int | None
    """The version that was written, if any: the one it goes on from."""
    enabled: bool | None
    """As written; None where nothing was said of it."""
    shadow: bool | None


def read_draft(given: Given, file: str = "") -> tuple[Draft | None, tuple[Problem, ...]]:
    """One rule, or all that is wrong with it. ``version`` may be left out; ``use`` takes one from the library."""
    drafts, problems = _read(*_one(given, file))
    return (drafts[0] if drafts and not problems else None), problems


def read_rule(given: Given, file: str = "") -> tuple[RuleDocument | None, tuple[Problem, ...]]:
    """A rule to be looked at: also one that cannot run as it is, or whose examples fail, beside what is wrong."""
    drafts, problems = _read(*_one(given, file))
    return (drafts[0].rule if drafts else None), problems


def read_drafts(given: Given, file: str = "") -> tuple[tuple[Draft, ...], tuple[Problem, ...]]:
    """As `read_rule`, of a file with one rule, with a list of rules, or with ``rules:``."""
    return _read(*_entries(given, file))


def _read(entries: list[Entry], problems: list[Problem]) -> tuple[tuple[Draft, ...], tuple[Problem, ...]]:
    drafts = []
    for entry in entries:
        value = entry.value
        written = _number(value.get("version")), _flag(value.get("enabled")), _flag(value.get("shadow"))
        begin_version(value)
        rules, further = rules_of([entry])
        problems = [*problems, *further]
        for rule in rules:
            drafts.append(Draft(rule, entry, *written))
            if not further and (fault := _stored_wrong(rule)):
                problems.append(entry.problem((), fault))
    return tuple(drafts), tuple(sorted(problems, key=lambda one: (one.line, one.key)))


def _one(given: Given, file: str) -> tuple[list[Entry], list[Problem]]:
    entries, problems = _entries(given, file)
    if len(entries) > 1:
        said = f"expected one rule, found {len(entries)}; take one after the other"
        return [], [Problem(file=file, line=entries[1].line, key="", message=said)]
    return entries, problems


def _entries(given: Given, file: str) -> tuple[list[Entry], list[Problem]]:
    """Each rule where it stands, and what is no rule at all."""

    def wrong(message: str, line: int = 1) -> Problem:
        return Problem(file=file, line=line, key="", message=message)

    try:
        data = (given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)).encode()
    except UnicodeEncodeError:
        return [], [wrong("expected UTF-8 text, found half a character; write it anew")]
    if len(data) > TEXT_BYTES:
        return [], [wrong(f"expected at most {TEXT_BYTES} bytes, found {len(data)}; take examples out")]
    if not isinstance(given, str):
        return [Entry(file, (), dict(given), 0)], []
    document, problems = read_yaml(file, data)
    if isinstance(document, Map) and not isinstance(document.get("rules"), Seq):
        return [Entry(file, (), document, document.line)], problems
    listed, prefix = (document["rules"], ("rules",)) if isinstance(document, Map) else (document, ())
    entries = []
    for at, value in enumerate(listed if isinstance(listed, Seq) else ()):
        if isinstance(value, Map):
            entries.append(Entry(file, (*prefix, at), value, value.line))
        else:
            problems.append(wrong(f"expected a rule (form: … or use: …), found {show(value)}", listed.lines[at]))
    if not entries and not problems:
        problems.append(wrong(f"expected a rule (form: … or use: …), found {show(document)}"))
    return entries, problems


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _stored_wrong(rule: RuleDocument) -> str:
    """What the registry could not give back as it was given: it must always be possible to read it."""
    try:
        same = _adapter.validate_json(rule.model_dump_json()) == rule
    except ValidationError:
        same = False
    return "" if same else "expected a finite number, found one without end, or no number; correct it"


def plain(rule: RuleDocument) -> dict[str, Any]:
    """A rule as people write it: without what is left out anyway, in the order in which one reads."""
    found = rule.model_dump(mode="json", exclude_defaults=True)
    middle = [key for key in type(rule).model_fields if key in found and key not in (*_FIRST, *_LAST)]
    order = [key for key in (*_FIRST, *middle, *_LAST) if key in found]
    return {key: _whole(found[key]) for key in order}


def written(rule: RuleDocument, *, switches: bool = True) -> str:
    """The YAML text of a rule; ``switches``: with whether it is switched on, where it is not."""
    document = {key: value for key, value in plain(rule).items() if switches or key not in _SWITCHES}
    return _yaml(document)


def written_all(rules: Sequence[RuleDocument]) -> str:
    """The YAML of a section ``rules:``, for a community's files."""
    return _yaml({"rules": [plain(rule) for rule in rules]}, rules=True)


class _Writer(yaml.SafeDumper):
    """Short things stand on one line, as people write them."""

    def ignore_aliases(self, data: Any) -> bool:
        """What is read in has no aliases either."""
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        short = _depth(mapping) <= 2 and len(json.dumps(mapping, ensure_ascii=False)) <= LINE
        return super().represent_mapping(tag, mapping, flow_style=short)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, flow_style=_depth(sequence) == 1)


def _depth(value: object) -> int:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max((_depth(one) for one in inner), default=0)
    return 0


def _yaml(document: dict[str, Any], *, rules: bool = False) -> str:
    node = _Writer(io.StringIO(), sort_keys=False).represent_data(document)
    for block in (node, *(node.value[0][1].value if rules else ())):
        block.flow_style = False  # a rule, however short, is not one line
    text: str = yaml.serialize(node, Dumper=yaml.SafeDumper, allow_unicode=True, width=LINE + 20)
    return text


def _whole(value: Any) -> Any:
    """Numbers without a tail: ``600`` and not ``600.0``."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return value
