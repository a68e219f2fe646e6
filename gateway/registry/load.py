"""Read a community's YAML: every error at once, each with file, line, key, what was expected, what to do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gateway.alarms import ALARM_TYPES
from gateway.registry.check import DRAFTS, check
from gateway.registry.explain import explain, one_branch, show
from gateway.registry.line import EmergencyLine
from gateway.registry.model import Community, CommunityInfo
from gateway.registry.problem import ConfigError, Path, Problem, did_you_mean, one_of
from gateway.registry.sections import MODELS, SECTIONS, TAGGED
from gateway.registry.sources import Entry, Sources, read_sources
from gateway.registry.work import catalogue
from gateway.registry.yamlfile import Map, Seq, read_yaml
from gateway.rules.check import rule_problems
from gateway.rules.document import RuleDocument
from gateway.rules.errors import RuleError
from gateway.rules.library import library

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {name: TypeAdapter(model) for name, model in MODELS.items()}
_SAME_STORIES = frozenset(
    ("id", "version", "zh", "en", "enabled", "shadow", "raises", "say", "do", "inhibited_by", "storm")
)
"""Keys of a rule that change nothing of when it raises and clears."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading: the community when nothing is wrong, and everything that is."""

    community: Community | None
    problems: tuple[Problem, ...]
    files: tuple[str, ...]
    _written: Mapping[str, list[Entry]]

    def problem(self, section: str, index: int, path: Path, message: str, *, warning: bool = False) -> Problem:
        """A problem with an entry of the community, located in the files."""
        return self._written[section][index].problem(path, message, warning=warning)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that keep it from being used."""
        return tuple(problem for problem in self.problems if problem.level == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that are allowed, and worth a look."""
        return tuple(problem for problem in self.problems if problem.level == "warning")


def load_community(path: FilePath) -> Community:
    """Read and check the community whose main file is ``path``. Raises ConfigError with every error there is."""
    reading = read_community(path)
    if reading.community is None:
        raise ConfigError(reading.errors)
    return reading.community


def read_community(path: FilePath) -> Reading:
    """As `load_community`, but returns problems instead of raising: errors and warnings by file and line, and
    after them those that something else may have brought about."""
    sources = read_sources(path)
    problems = list(sources.problems)
    parts: dict[str, tuple[Any, ...]] = {}
    late: list[Problem] = []
    drafts: list[tuple[Entry, str]] = []
    written: dict[str, list[Entry]] = {}
    known: dict[str, frozenset[str]] = {}
    for section in SECTIONS:
        parts[section], written[section], known[section] = _section(section, sources, problems, drafts)
    scalars = _scalars(sources, str(path), problems)

    for name, entry in sources.scalars.items():
        written[name] = [entry]
    values: dict[str, Any] = {"anju": 1, **scalars, **parts}
    community = Community.model_construct(**values)  # every part has been validated above
    reading = Reading(community, (), tuple(sources.files), written)
    for index, rule in enumerate(parts["rules"]):
        for fault in rule_problems(rule):
            problems.append(_fault(fault, written["rules"][index]))
    written[DRAFTS] = [entry for entry, _ in drafts]
    for finding in check(community, known, frozenset(sources.broken), [ladder for _, ladder in drafts]):
        message = finding.message
        if finding.first is not None:
            first = written[finding.section][finding.first]
            message += f" {first.file}:{first.line}"
        warning = finding.level == "warning"
        problem = reading.problem(finding.section, finding.index, finding.path, message, warning=warning)
        (late if finding.late else problems).append(problem)
    ordered = (*sorted(problems, key=_in_files), *sorted(late, key=_in_files))
    wrong = any(problem.level == "error" for problem in ordered)
    return replace(reading, community=None if wrong else community, problems=ordered)


def read_rules(file: str, data: bytes) -> tuple[tuple[RuleDocument, ...], tuple[Problem, ...]]:
    """The rules of one document, and everything wrong with them: a rule, a list of rules, or a mapping with ``rules:``.

    ``use`` works as in a community's files; ``version`` may be left out. Nothing is said of ladders and other
    references: there is no community.
    """
    document, found = read_yaml(file, data)
    problems = list(found)
    entries: list[Entry] = []
    if isinstance(document, Map) and ("form" in document or "use" in document):
        entries.append(Entry(file, (), document, document.line))
    else:
        listed, prefix = (document.get("rules"), ("rules",)) if isinstance(document, Map) else (document, ())
        if isinstance(listed, Seq) and listed:
            entries += [Entry(file, (*prefix, at), entry, listed.lines[at]) for at, entry in enumerate(listed)]
        elif not problems:
            expected = "expected a rule (form: … or use: …), a list of rules, or rules: with a list"
            problems.append(Problem(file=file, line=1, key="", message=f"{expected}, found {show(document)}"))
    for entry in entries:
        begin_version(entry.value)
    rules, further = rules_of(entries)
    return rules, tuple(sorted([*problems, *further], key=_in_files))


def begin_version(value: object) -> None:
    """A rule that is written by itself, outside of a community's files, is its first version where it says nothing."""
    if isinstance(value, dict) and "version" not in value and "use" not in value:
        value["version"] = 1


def rules_of(entries: Sequence[Entry]) -> tuple[tuple[RuleDocument, ...], list[Problem]]:
    """The rules that ``entries`` are, each tried on its examples, and everything wrong with the others."""
    problems: list[Problem] = []
    sources = Sources()
    sources.sections["rules"] = list(entries)
    rules, written, _ = _section("rules", sources, problems, [])
    for rule, entry in zip(rules, written, strict=True):
        problems += [_fault(fault, entry) for fault in rule_problems(rule)]
    return rules, problems


def _in_files(problem: Problem) -> tuple[str, int, str, str]:
    return problem.file, problem.line, problem.key, problem.message


def _section(
    section: str, sources: Sources, problems: list[Problem], drafts: list[tuple[Entry, str]]
) -> tuple[tuple[Any, ...], list[Entry], frozenset[str]]:
    """The valid entries of a section, where each was written, and the ids of those that are not valid."""
    validate = _ADAPTERS[section].validate_python
    good: list[Any] = []
    entries: list[Entry] = []
    ids: set[str] = set()
    for entry in sources.sections[section]:
        value = _from_shelf(section, entry, problems)
        if value is None:
            continue
        try:
            good.append(validate(value))
            entries.append(entry)
        except ValidationError as error:
            problems.extend(_explained(error, entry, MODELS[section], section in TAGGED))
            if section == "rules" and isinstance(value, Mapping):
                problems.extend(_hidden(error, value, entry))
                raises = value.get("raises")
                ladder = raises.get("ladder") if isinstance(raises, Mapping) else None
                if isinstance(ladder, str):
                    drafts.append((entry, ladder))
            written = value.get("id") if isinstance(value, Mapping) else None
            if isinstance(written, str):
                ids.add(written)
            else:
                sources.broken.add(section)
    return tuple(good), entries, frozenset(ids)


_TOLD_OF_ONE = 100
"""So many faults of one entry are said: nobody reads thousands, and to find what was meant takes time."""


def _explained(error: ValidationError, entry: Entry, model: object, tagged: bool) -> list[Problem]:
    found = []
    details = one_branch(error.errors(include_url=False))
    for detail in details[:_TOLD_OF_ONE]:
        at = detail["loc"]
        if detail["type"] == "too_short" and any(d["loc"][: len(at)] == at for d in details if d is not detail):
            continue  # only the faulty entries are missing in it
        skip = 1 if tagged and detail["loc"] and not detail["type"].startswith("union_tag") else 0
        path, message = explain(detail, model, skip)
        found.append(entry.problem(path, message))
    if len(details) > _TOLD_OF_ONE:
        found.append(entry.problem((), f"{len(details) - _TOLD_OF_ONE} more are wrong; mend these first"))
    return found


_STAND_INS: Mapping[tuple[str | int, ...], object] = {
    ("id",): "rule",
    ("version",): 1,
    ("zh",): "规则",
    ("en",): "rule",
    ("raises", "type"): min(ALARM_TYPES),
    ("raises", "severity"): "service",
    ("raises", "ladder"): "ladder",
}
"""What a rule is read on with where it is faulty, so that its other faults are not hidden until that is mended."""


def _hidden(error: ValidationError, value: Mapping[str, Any], entry: Entry) -> list[Problem]:
    """The faults of a rule that validation did not come to, because of the ones it found."""
    mended = copy.deepcopy(dict(value))
    for detail in error.errors(include_url=False):
        path = detail["loc"][1:]
        into: Any = mended
        for step in path[:-1]:
            into = into.get(step) if isinstance(into, dict) else None
        if not path or not isinstance(into, dict):
            return []
        if detail["type"] == "extra_forbidden":
            del into[path[-1]]
        elif path in _STAND_INS:
            into[path[-1]] = _STAND_INS[path]
        else:
            return []
    try:
        rule = _ADAPTERS["rules"].validate_python(mended)
    except ValidationError as further:
        return _explained(further, entry, MODELS["rules"], tagged=True)
    return [_fault(fault, entry) for fault in rule_problems(rule)]


def _fault(fault: RuleError, entry: Entry) -> Problem:
    column = f" (column {fault.position})" if fault.position is not None else ""
    said = f"{fault.problem}{column}; expected {fault.expected}; {fault.hint}"
    steps = fault.key.split(".") if fault.key else ()
    path = tuple(int(step) if step.isdigit() else step for step in steps)
    return replace(entry.problem(path, said), column=fault.position)


def _scalars(sources: Sources, main: str, problems: list[Problem]) -> dict[str, Any]:
    written = sources.scalars
    values: dict[str, Any] = {"community": None, "emergency_line": None}
    if not sources.problems or (sources.files and written):
        for name, example in (("anju", "anju: 1"), ("community", "community: {id: …, name: …}")):
            if name not in written:
                problems.append(
                    Problem(file=main, line=1, key=name, message=f"missing in the main file; add {example}")
                )
    if "anju" in written and written["anju"].value != 1:
        entry = written["anju"]
        problems.append(entry.problem((), f"expected 1, the version of this file format, found {show(entry.value)}"))
    for name, model in (("community", CommunityInfo), ("emergency_line", EmergencyLine)):
        if name not in written or (name == "emergency_line" and written[name].value is None):
            continue
        try:
            values[name] = model.model_validate(written[name].value)
        except ValidationError as error:
            problems.extend(_explained(error, written[name], model, tagged=False))
            sources.broken.add(name)
    return values


_SHELVES: Mapping[str, tuple[str, Callable[[], Mapping[str, Mapping[str, Any]]]]] = {
    "rules": ("the library has no rule", library),
    "work": ("Anju ships no type of work", catalogue),
}
"""Sections whose entries may be one that Anju ships, by ``use``."""


def _from_shelf(section: str, entry: Entry, problems: list[Problem]) -> Any:
    """An entry as written, or the shipped one that ``use`` names with the entry's other keys laid over it."""
    value = entry.value
    if section not in _SHELVES or not isinstance(value, Mapping) or "use" not in value:
        return value
    missing, shelf = _SHELVES[section][0], _SHELVES[section][1]()
    name = value["use"]
    if not isinstance(name, str) or name not in shelf:
        message = f"{missing} {show(name)}; it has {one_of(shelf)}{did_you_mean(name, shelf)}"
        problems.append(entry.problem(("use",), message))
        return None
    above = {key: inner for key, inner in value.items() if key != "use"}
    laid = _laid_over(shelf[name], above)
    if section == "rules" and "examples" not in above and not _SAME_STORIES.issuperset(above):
        laid.pop("examples", None)  # they tell what the library's rule decides
    return laid


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _laid_over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result
