"""What the names of an expression stand for: in a reading, among facts alone, and over the inputs of a condition.

All scopes know facts (``device.role``, ``resident.birth_year``), personal limits (``limit(spo2_low, 90)``), the local
calendar (``hour``, ``weekday``, ``month``, ``year``, ``workday``) and lengths of time (``10 * minutes``).
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from devices.expression.reading import Source
from gateway.rules.terms import MAX_NUMBER, Condition, Number, Range, Values, number
from gateway.rules.translate import Translator

ROOTS = ("device", "place", "resident")
UNITS = {"seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86_400.0}
"""Lengths of time, in seconds: ``4 * hours``."""
CALENDAR: Mapping[str, tuple[float, float]] = {
    "hour": (0, 23),
    "weekday": (1, 7),
    "month": (1, 12),
    "year": (1970, 9999),
}
"""Local time by name, with what it can be; Monday is 1."""
SAID = {"late": Range(0, MAX_NUMBER, "s"), "clock_suspect": Range(0, 1, "1")}
"""What the gateway itself knows of a message: how late it came, and whether the device's clock cannot be right."""
MAX_LIMIT = 1e6
"""A personal limit lies between minus this and this."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What stands for personal limits while an expression is compiled."""

    site: Mapping[str, float] = field(default_factory=dict)
    """Defaults of this site, in place of the written ones."""
    trying: Mapping[str, float] | None = None
    """Take these for the limits, and the defaults for others: to check what they make of it. None: ask at run time."""


class Scope(Translator):
    """Facts, limits and the calendar: what every scope knows."""

    time_words = True

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source)
        self.facts: set[str] = set()
        self.limits: dict[str, float] = {}
        """The personal limits that are asked for, with their defaults."""
        self._written: dict[str, float] = {}
        self.calendar = False
        """Whether the time of day or the day itself is asked for."""
        self._given = limits

    def names(self) -> dict[str, Range]:
        """The numbers of this scope by name."""
        return {}

    def noun(self) -> str:
        """What this scope's names are, for messages: "metric"."""
        return "name"

    def whose(self) -> str:
        """Whose the names are, for messages: "this rule"."""
        return "this expression"

    def attribute(self, node: ast.Attribute) -> str | None:
        if not isinstance(node.value, ast.Name) or node.value.id not in ROOTS:
            return None
        fact = f"{node.value.id}.{node.attr}"
        if not _NAME.fullmatch(node.attr):
            raise self.error(node, f"{fact} is no fact", "an attribute in small letters", "correct the name")
        self.facts.add(fact)
        return fact

    def name(self, node: ast.Name) -> Number | Condition:
        name = node.id
        ranges = self.names()
        if name in ranges:
            return self.value(name, ranges[name])
        if self.time_words:
            if name in UNITS:
                return self.constant(UNITS[name], name)
            if name in CALENDAR:
                self.calendar = True
                return self.number_atom(f"env.{name}()", name, *CALENDAR[name])
            if name == "workday":
                self.calendar = True
                variable = self.atom("env.workday()", name)
                return self.leaf(
                    node, variable, frozenset({variable}), lambda v: "a working day" if v.get(variable) else "a day off"
                )
        known = [*ranges, *((*UNITS, *CALENDAR, "workday") if self.time_words else ())]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        raise self.error(
            node,
            f"unknown {self.noun()} {name[:40]!r}",
            f"{'an' if self.noun() == 'input' else 'a'} {self.noun()} of {self.whose()} ({', '.join(sorted(ranges))})",
            f"did you mean {' or '.join(near)}?" if near else "check the spelling or the rule's kinds",
        )

    def value(self, name: str, of: Range) -> Number:
        """The atom of one of this scope's own numbers."""
        raise NotImplementedError

    def call(self, node: ast.Call, depth: int) -> Number | Condition | None:
        if isinstance(node.func, ast.Name) and node.func.id == "limit":
            return self._limit(node)
        return None

    def _limit(self, node: ast.Call) -> Number:
        name = node.args[0].id if node.args and isinstance(node.args[0], ast.Name) else ""
        if len(node.args) != 2 or not _NAME.fullmatch(name):
            raise self.error(
                node, "limit() is not used rightly", "limit(name, default)", "for example: spo2 < limit(spo2_low, 90)"
            )
        self.plain_arguments(node, "limit")
        default = self.number(node.args[1], 1)
        if default.atoms or default.low != default.high or abs(default.low) > MAX_LIMIT:
            raise self.error(
                node, "the default of limit() is not a plain number", f"at most {MAX_LIMIT:g}", "write it out"
            )
        value = self._given.site.get(name, default.low)
        if self.limits.setdefault(name, value) != value or self._written.setdefault(name, default.low) != default.low:
            raise self.error(node, f"limit {name} has two defaults", "one default for each name", "use the same number")
        text = f"limit({name}, {number(default.low)})"
        if self._given.trying is not None:
            return self.constant(self._given.trying.get(name, value), text)
        return self.number_atom(f"env.limit({name!r}, {value!r})", text, -MAX_LIMIT, MAX_LIMIT)

    def functions(self) -> str:
        return "min, max, abs, has, limit"

    def check_share(self, node: ast.Compare, left: Number, right: Number) -> None:
        for metric, other in ((left, right), (right, left)):
            of = self.names().get(metric.text)
            if of is None or of.unit != "%" or other.atoms or not of.low < other.low == other.high < of.low + of.step:
                continue
            raise self.error(
                node,
                f"{metric.text} is in %, in steps of {number(of.step)}: {other.text} lies below the first",
                "; ".join(self.ranges_of(metric.atoms)),
                f"write {number(other.low * 100)} for {number(other.low * 100)} %",
            )

    def ranges_of(self, atoms: frozenset[str]) -> list[str]:
        calendar = {name: Range(*span, "") for name, span in CALENDAR.items()}
        ranges = {**calendar, **self.names()}
        named = sorted(self.atoms[one].text for one in atoms if self.atoms[one].text in ranges)
        return [
            f"{name} is {number(of.low)} to {number(of.high)} {'' if of.unit == '1' else of.unit}".rstrip()
            for name, of in ((name, ranges[name]) for name in named)
        ]


class FactScope(Scope):
    """``where``: which devices a rule is for. Nothing that changes with time or readings."""

    time_words = False

    def noun(self) -> str:
        return "fact"

    def name(self, node: ast.Name) -> Number | Condition:
        raise self.error(
            node,
            f"{node.id[:40]} is no fact",
            "facts of the device, its place and its resident, such as place.level or device.role",
            "facts are written with a dot; readings belong into when",
        )

    def _limit(self, node: ast.Call) -> Number:
        raise self.error(node, "a limit says nothing about which devices are meant", "facts", "put it into when")


class ReadingScope(Scope):
    """One reading of one device: its metrics by name."""

    def __init__(self, source: Source, limits: Limits, ranges: Mapping[str, Range], kinds: str) -> None:
        super().__init__(source, limits)
        self._ranges = dict(ranges)
        self._kinds = kinds
        self.metrics: set[str] = set()

    def names(self) -> dict[str, Range]:
        return {**SAID, **self._ranges}

    def noun(self) -> str:
        return "metric"

    def whose(self) -> str:
        return self._kinds

    def value(self, name: str, of: Range) -> Number:
        if name in self._ranges:
            self.metrics.add(name)
            return self.number_atom(f"get({name!r})", name, of.low, of.high, of.unit, variable=f"m_{name}")
        return self.number_atom(f"env.{name}()", name, of.low, of.high, of.unit)


WINDOWS = ("count", "mean", "lowest", "highest", "change", "rate", "distinct", "longest")
"""Functions over what an input said within a length of time."""
DISTINCT_MOST = 32
COUNT_MOST = 1e9
WINDOW_LONGEST_S = 400 * 86_400.0
WINDOW_SHORTEST_S = 1.0
OCCURRENCES = ("seen", "quiet", "after", "followed", "without")
SCORES = {"score": Range(0, 2400, "1"), "score_highest": Range(0, 100, "1"), "score_missing": Range(0, 24, "1")}


class InputScope(Scope):
    """The named inputs of a condition, and what they did over time."""

    def __init__(
        self,
        source: Source,
        limits: Limits,
        values: Mapping[str, Range],
        occurrences: Sequence[str],
        *,
        scored: bool = False,
        device_facts: bool = False,
    ) -> None:
        """``values``: the inputs that are values, with their ranges; ``occurrences``: the others."""
        super().__init__(source, limits)
        self._values = {**values, **(SCORES if scored else {})}
        self._occurrences = tuple(occurrences)
        self._device_facts = device_facts
        self.windows: set[tuple[str, str, int]] = set()
        """(input, ``cells`` / ``distinct`` / ``gaps``, length in ms): what has to be remembered."""
        self.pairs: set[tuple[str, str, str]] = set()
        """(``followed`` / ``without``, first, then): what has to be remembered of two inputs."""
        self.waits = False
        """Whether time alone can make it true: something did not happen."""

    def names(self) -> dict[str, Range]:
        return self._values

    def noun(self) -> str:
        return "input"

    def whose(self) -> str:
        return "this rule"

    def attribute(self, node: ast.Attribute) -> str | None:
        fact = super().attribute(node)
        if fact is not None and fact.startswith("device.") and not self._device_facts:
            raise self.error(
                node,
                f"{fact}: several devices speak here",
                "facts of the place or the resident",
                "put it into the where of an input, or take subject: device",
            )
        return fact

    def name(self, node: ast.Name) -> Number | Condition:
        if node.id in self._occurrences:
            raise self.error(
                node,
                f"{node.id} is something that happens, not a value",
                "a question about it: seen(), quiet(), count() …",
                f"for example: seen({node.id}, 10 * minutes)",
            )
        return super().name(node)

    def value(self, name: str, of: Range) -> Number:
        if name in SCORES:
            return self.number_atom(f"env.{name}()", name, of.low, of.high)
        return self.number_atom(f"env.value({name!r})", name, of.low, of.high, of.unit)

    def functions(self) -> str:
        return ", ".join(("min, max, abs, has, limit, there", *OCCURRENCES, *WINDOWS))

    def call(self, node: ast.Call, depth: int) -> Number | Condition | None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in WINDOWS:
            return self._window(node, name)
        if name in OCCURRENCES or name == "there":
            self.plain_arguments(node, name)
            return self._occurrence(node, name, depth)
        return super().call(node, depth)

    def _input(self, node: ast.expr, function: str, wanted: Sequence[str], what: str) -> str:
        name = node.id if isinstance(node, ast.Name) else ""
        if name in wanted:
            self.enter(node, 1)
            return name
        known = [*self._values, *self._occurrences]
        if name in known:
            raise self.error(node, f"{function}() cannot ask that of {name}", what, "take another input or function")
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        raise self.error(
            node,
            f"{function}() asks about an input, not {self.source.said(node)[:40]!r}",
            f"an input of this rule ({', '.join(sorted(known))})",
            f"did you mean {' or '.join(near)}?" if near else "name the input under inputs",
        )

    def _arguments(self, node: ast.Call, name: str, usage: str) -> list[ast.expr]:
        if len(node.args) != usage.count(",") + 1:
            raise self.error(
                node, f"{name}() is not used rightly", f"{name}({usage})", "correct what stands in the brackets"
            )
        return node.args

    def _occurrence(self, node: ast.Call, name: str, depth: int) -> Condition:
        happens = "an input with events or reading"
        if name == "there":
            (of,) = self._arguments(node, name, "input")
            one = self._input(of, name, [*self._values, *self._occurrences], "an input")
            return self._asked(node, f"env.there({one!r})")
        if name == "after":
            first, second, *apart = self._arguments(node, name, "a, b, time" if len(node.args) == 3 else "a, b")
            pair = [self._input(each, name, self._occurrences, happens) for each in (first, second)]
            fetch = f"env.after({pair[0]!r}, {pair[1]!r}{', {0}' if apart else ''})"
            detail = f"env.ages({pair[0]!r}, {pair[1]!r})"
            return self._asked(node, fetch, apart[0] if apart else None, depth, detail)
        if name in ("seen", "quiet"):
            of, length = self._arguments(node, name, "input, time")
            one = self._input(of, name, self._occurrences, happens)
            self.waits = self.waits or name == "quiet"
            return self._asked(node, f"env.{name}({one!r}, {{0}})", length, depth, f"env.ages({one!r})")
        first, second, length = self._arguments(node, name, "a, b, time")
        pair = [self._input(each, name, self._occurrences, happens) for each in (first, second)]
        self.pairs.add((name, pair[0], pair[1]))
        self.waits = self.waits or name == "without"
        return self._asked(
            node, f"env.{name}({pair[0]!r}, {pair[1]!r}, {{0}})", length, depth, f"env.ages({pair[0]!r}, {pair[1]!r})"
        )

    def _asked(
        self, node: ast.Call, fetch: str, length: ast.expr | None = None, depth: int = 0, detail: str = ""
    ) -> Condition:
        needs: frozenset[str] = frozenset()
        if length is not None:
            span = self.number(length, depth + 1)
            if span.low == span.high and not 0 < span.low <= WINDOW_LONGEST_S:
                raise self.error(
                    length,
                    f"{span.text} is no length of time",
                    "more than 0, at most 400 days",
                    "for example 10 * minutes",
                )
            fetch, needs = fetch.format(span.code), span.atoms
        text = self.source.said(node)
        variable = self.atom(fetch, text, needs, detail)

        def render(values: Values) -> str:
            added = [str(more)] if (more := values.get(f"{variable}_more")) else []
            for one in sorted(needs):
                value = values.get(one)
                if isinstance(value, float):
                    added.append(f"{self.atoms[one].text} is {number(value)}")
            return f"{text} ({'; '.join(added)})" if added else text

        return self.leaf(node, variable, frozenset({variable}), render)

    def _window(self, node: ast.Call, name: str) -> Number:
        self.plain_arguments(node, name)
        of, length = self._arguments(node, name, "input, time")
        values = [one for one in self._values if one not in SCORES]
        if name == "longest":
            one = self._input(of, name, self._occurrences, "an input with events or reading")
        elif name == "count":
            one = self._input(of, name, [*self._occurrences, *values], "an input")
        else:
            one = self._input(of, name, values, "an input with metric or state")
        span = self.number(length, 1)
        if span.atoms or span.low != span.high or not WINDOW_SHORTEST_S <= span.low <= WINDOW_LONGEST_S:
            raise self.error(
                length,
                f"{span.text} is no length of a window",
                "a plain length of time, 1 second to 400 days",
                "for example 10 * minutes: its memory is known when the rule is loaded",
            )
        memory = {"distinct": "distinct", "longest": "gaps"}.get(name, "cells")
        length_ms = int(span.low * 1000)
        self.windows.add((one, memory, length_ms))
        low, high, unit = self._window_range(name, one, span.low)
        return self.number_atom(f"env.{name}({one!r}, {length_ms})", self.source.said(node), low, high, unit)

    def _window_range(self, name: str, one: str, span_s: float) -> tuple[float, float, str | None]:
        if name == "count":
            return 0, COUNT_MOST, None
        if name == "distinct":
            return 0, DISTINCT_MOST, None
        if name == "longest":
            return 0, span_s, None
        of = self._values[one]
        width = of.high - of.low
        if name == "change":
            return -width, width, of.unit
        if name == "rate":
            return -width * 3_600_000, width * 3_600_000, None
        return of.low, of.high, of.unit
