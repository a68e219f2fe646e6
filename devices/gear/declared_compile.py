"""From the document of a declared profile to what runs: every expression, pattern and table is checked here."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from devices.expression.payload import FieldCondition, FieldExpression, compile_condition, compile_field
from devices.gear.declared_entry import PAYLOAD, UNKNOWN, Answering, Condition, Copying, Entry, Stranger, Value
from devices.gear.declared_orders import Orders, OrderWords
from devices.gear.kindmap import KindMap, check_options, compiled
from devices.gear.pattern import Pattern, PatternError, Template, compile_pattern, compile_template
from devices.gear.profile_document import AnswerEntry, CommandEntry, MessageEntry, ProfileDocument
from devices.gear.profile_error import ProfileError, nearest
from devices.gear.yamltext import Document, Path
from devices.kinds import KINDS

_WORDS = ("name", "vendor", "model", "firmware")
_Made = TypeVar("_Made", FieldCondition, FieldExpression, Template)


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of message: its entry, and the topics it is for."""

    topics: tuple[str, ...]
    entry: Entry


class Compiler:
    """Compiles one document. Raises ProfileError from every method."""

    def __init__(self, document: Document, written: ProfileDocument) -> None:
        self._document = document
        self._written = written

    def sorts(self, maps: Mapping[str, KindMap]) -> tuple[Sort, ...]:
        """The sorts of messages, in their order."""
        stranger = self._stranger()
        return tuple(
            self._sort(("messages", at), entry, maps, stranger) for at, entry in enumerate(self._written.messages)
        )

    def orders(self) -> Orders:
        """How each command of each kind is written."""
        words = {
            kind: {key: self._order(kind, key, entry) for key, entry in commands.items()}
            for kind, commands in self._written.commands.items()
        }
        return Orders(words, self._written.default_part)

    # --- messages -----------------------------------------------------------------------------------------------------

    def _sort(self, path: Path, entry: MessageEntry, maps: Mapping[str, KindMap], stranger: Stranger) -> Sort:
        topics = entry.topic if isinstance(entry.topic, list) else [entry.topic]
        patterns = [self._pattern((*path, "topic"), topic) for topic in topics]
        levels = set.intersection(*(set(pattern.names) for pattern in patterns))
        return Sort(
            tuple(topics),
            Entry(
                format=entry.format,
                when=_evaluated(self._condition((*path, "when"), entry.when)),
                ignore=bool(entry.ignore),
                describes=entry.describes,
                called=self._called((*path, "as"), entry, levels),
                fields=_steps(entry.fields),
                each=_steps(entry.each),
                parts=self._parts(path, entry),
                address=self._address(path, entry, levels),
                part=self._part(path, entry, levels),
                time=self._number((*path, "time"), entry.time, "millis(x) makes ms of a time"),
                identity=self._template((*path, "identity"), entry.identity) if entry.identity else None,
                copying=self._copying(path, entry),
                counter=self._number((*path, "counter"), entry.counter, "number(x) makes one of a text"),
                presence=_evaluated(self._condition((*path, "presence"), entry.presence)),
                answering=self._answering((*path, "answer"), entry.answer),
                maps=maps,
                stranger=stranger,
                default_part=self._written.default_part,
            ),
        )

    def _called(self, path: Path, entry: MessageEntry, levels: Collection[str]) -> Template | None:
        if entry.as_:
            return self._template(path, entry.as_, levels)
        return None if entry.format == "json" else compile_template(PAYLOAD)

    def _address(self, path: Path, entry: MessageEntry, levels: Collection[str]) -> tuple[Template, ...]:
        if entry.address is None:
            if "address" not in levels and not entry.ignore:
                raise self._document.error(
                    path,
                    "nothing says which device it is from",
                    expected="{address} in every topic, or a key address",
                    hint='for example address: "{model}/{id}"',
                )
            return (compile_template("{address}"),)
        if "address" in levels:
            raise self._twice((*path, "address"), "address")
        texts = entry.address if isinstance(entry.address, list) else [entry.address]
        return tuple(self._template((*path, "address"), text) for text in texts)

    def _part(self, path: Path, entry: MessageEntry, levels: Collection[str]) -> Template | None:
        if entry.part and "part" in levels:
            raise self._twice((*path, "part"), "part")
        if entry.parts and (entry.part or "part" in levels):
            raise self._document.error(
                (*path, "parts"),
                "the message is about one part and about several",
                expected="part, or parts",
                hint="leave one of them out",
            )
        if entry.part:
            return self._template((*path, "part"), entry.part)
        return compile_template("{part}") if "part" in levels else None

    def _parts(self, path: Path, entry: MessageEntry) -> tuple[Pattern, ...]:
        patterns = []
        for at, text in enumerate(entry.parts):
            where = (*path, "parts", at)
            pattern = self._pattern(where, text)
            if "part" not in pattern.names or not set(pattern.names) <= {"part", "name"}:
                raise self._document.error(
                    where,
                    "it does not say which part a key belongs to",
                    expected="{part#}, and {name} at most",
                    hint='for example "POWER{part#}" or "{name}:{part#}"',
                )
            patterns.append(pattern)
        return tuple(patterns)

    def _copying(self, path: Path, entry: MessageEntry) -> Copying | None:
        ways = [key for key in ("identity", "counter", "copies") if getattr(entry, key)]
        if len(ways) > 1:
            raise self._twice((*path, ways[1]), "identity")
        if entry.copies is None:
            return None
        return Copying(entry.copies.within_s * 1000, frozenset(entry.copies.apart_from))

    def _answering(self, path: Path, answer: AnswerEntry | None) -> Answering | None:
        if answer is None:
            return None
        return Answering(
            self._template((*path, "id"), answer.id),
            self._made((*path, "ok"), compile_condition, answer.ok).evaluate,
            self._template((*path, "error"), answer.error),
        )

    def _number(self, path: Path, text: str, hint: str) -> Value | None:
        if not text:
            return None
        expression = self._made(path, compile_field, text)
        if expression.yields not in ("number", "any"):
            raise self._document.error(path, f"{text} is no number", expected="a number", hint=hint)
        return expression.evaluate

    def _stranger(self) -> Stranger:
        announce = self._written.announce
        kinds = []
        for kind, text in announce.kind.items():
            path = ("announce", "kind", kind)
            if kind not in self._written.kinds:
                raise self._document.error(
                    path,
                    "this profile does not map it",
                    expected=f"one of {', '.join(self._written.kinds)}",
                    hint=nearest(kind, self._written.kinds, "add it under kinds, or leave it out"),
                )
            kinds.append((kind, self._made(path, compile_condition, text).evaluate))
        words = {key: text for key in _WORDS if (text := getattr(announce, key))}
        return Stranger(tuple(kinds), {key: self._template(("announce", key), text) for key, text in words.items()})

    # --- commands -----------------------------------------------------------------------------------------------------

    def _order(self, kind: str, key: str, entry: CommandEntry) -> OrderWords:
        path: Path = ("commands", kind, key)
        if self._written.carrier != "mqtt":
            raise self._document.error(
                path,
                "gear that pushes over HTTP takes no commands",
                expected="no commands",
                hint="leave it out, or choose carrier: mqtt",
            )
        if kind not in self._written.kinds:
            raise self._document.error(
                path[:2],
                "this profile does not map it",
                expected=f"one of {', '.join(self._written.kinds)}",
                hint=nearest(kind, self._written.kinds, "add it under kinds, or leave it out"),
            )
        known = KINDS[kind].commands
        if key not in known:
            raise self._document.error(
                path,
                f"a {kind} has no such command",
                expected=f"one of {', '.join(known)}" if known else "none",
                hint=nearest(key, known, "correct it, or leave it out"),
            )
        for name, table in entry.args.items():
            self._check_argument((*path, "args", name), name, table, known[key].args)
        names = {"base", "address", "part", "id", *entry.args}
        topic = self._template((*path, "topic"), entry.topic.replace("{base}/", "{base}"), names)
        payload = self._template((*path, "payload"), entry.payload, names)
        for metric, value in (entry.confirm or {}).items():
            if metric not in KINDS[kind].metrics or not math.isfinite(value):
                raise self._document.error(
                    (*path, "confirm", metric),
                    f"no report of a {kind} can show it",
                    expected=f"one of {', '.join(sorted(KINDS[kind].metrics))}, and a number",
                    hint=nearest(metric, KINDS[kind].metrics, "correct it"),
                )
        return OrderWords(topic=topic, payload=payload, args=entry.args, confirm=entry.confirm, retain=entry.retain)

    def _check_argument(
        self, path: Path, name: str, table: Mapping[str, str], known: Mapping[str, tuple[str, ...]]
    ) -> None:
        if name not in known:
            raise self._document.error(
                path,
                "the command has no such argument",
                expected=f"one of {', '.join(known)}" if known else "no arguments",
                hint=nearest(name, known, "leave it out"),
            )
        if set(table) != set(known[name]):
            raise self._document.error(
                path,
                f"its values are {', '.join(table) or 'none'}",
                expected=f"a row for each of {', '.join(known[name])}",
                hint="the first row is also sent where the argument is not given",
            )

    # --- what all share -----------------------------------------------------------------------------------------------

    def _pattern(self, path: Path, text: str) -> Pattern:
        try:
            return compile_pattern(text, self._written.base)
        except PatternError as error:
            problem, expected, hint = error.args
            raise self._document.error(path, problem, expected=expected, hint=hint) from None

    def _template(self, path: Path, text: str, names: Collection[str] | None = None) -> Template:
        """``names``: the only fields it may read apart from options; None where a message may bring any."""
        try:
            template = self._made(path, compile_template, text)
        except PatternError as error:
            problem, expected, hint = error.args
            raise self._document.error(path, problem, expected=expected, hint=hint) from None
        for name in sorted(template.names):
            if names is not None and name not in (*names, UNKNOWN) and not name.startswith(("option.", "bridge.")):
                raise self._document.error(
                    path,
                    f"{name} is not known here",
                    expected=f"one of {', '.join(sorted(names))}" if names else "no field",
                    hint=nearest(name, names, "correct it"),
                )
        return template

    def _condition(self, path: Path, text: str) -> FieldCondition | None:
        return self._made(path, compile_condition, text) if text else None

    def _made(self, path: Path, make: Callable[[str], _Made], text: str) -> _Made:
        made = compiled(self._document, path, make, text)
        if path[0] == "commands":
            check_options(self._document, path, made.names, "option", self._written.device_options)
        elif any(name.startswith("option.") for name in made.names):
            raise self._document.error(
                path,
                "which device it is from is not known here yet",
                expected="no option of a device",
                hint="use option.x under kinds and commands; bridge.x works everywhere",
            )
        check_options(self._document, path, made.names, "bridge", self._written.options)
        return made

    def _twice(self, path: Path, what: str) -> ProfileError:
        return self._document.error(
            path,
            f"the message already has its {what}",
            expected=f"one place for the {what}",
            hint="leave one of them out",
        )


def _evaluated(condition: FieldCondition | None) -> Condition | None:
    return None if condition is None else condition.evaluate


def _steps(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()
