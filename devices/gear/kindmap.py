"""What the fields of a foreign payload mean for one kind of device: a table of expressions, compiled once.

In YAML, by kind; what all kinds share stands in ``any`` and counts for the keys that a kind has::

    any:
      metrics: {battery: number(battery), link_quality: linkquality / 255 * 100}
    contact:
      metrics: {open: not contact, tampered: tamper}
    sos_button:
      events: {press: 'action in ("emergency", "sos")'}
      data: {label: action_label}

``metrics`` are values in the kind's units (true and false are 1 and 0 of a state), ``events`` are conditions: what
holds in this message happened in this moment. ``data`` is what belongs to the message and is no measurement. What is
unknown is left out; where the fields are there and mean nothing to the expression (``smoke: "maybe"``), that is a
fault, unless the expression itself says ``unknown``. It may read an option of the device as ``option.<name>``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeVar

from devices.expression.errors import ExpressionError
from devices.expression.payload import FieldExpression, compile_condition, compile_field
from devices.gear.messages import GearDevice, Said, Scalar
from devices.gear.profile_error import ProfileError, nearest
from devices.gear.yamltext import Document, Path, read
from devices.kind import Kind
from devices.kinds import KINDS
from devices.observation import Refusal

__all__ = ["KindMap", "ProfileError", "build_maps", "check_options", "compiled", "load_maps"]

Fields = Mapping[str, object]
ANY = "any"
_SECTIONS = ("metrics", "events", "data")
_NOT_SAID = ("online", "offline", "command_result")
"""Events of every kind that no map says: presence and answers have their own words."""
_SHOWN = 60
_UNKNOWN = "unknown"
_NO_WORD = frozenset(("", "unknown", "unavailable", "none", "null", "nan", "n/a", "-", "init", "idle"))
"""What gear says where it does not know."""

_Rows = Mapping[str, tuple[str, Path]]
"""Key → its expression, and where that stands."""
_Made = TypeVar("_Made")
_field = lru_cache(1024)(compile_field)
_condition = lru_cache(1024)(compile_condition)
"""What all kinds of a profile share is compiled once."""
Root = Literal["option", "bridge"]
Options = Mapping[Root, Collection[str]]


@dataclass(frozen=True, slots=True)
class _Metric:
    key: str
    expression: FieldExpression
    is_state: bool


class KindMap:
    """One kind's table. Holds nothing of what it reads."""

    __slots__ = ("_data", "_events", "_metrics", "_reads_options", "kind")

    def __init__(
        self,
        kind: Kind,
        document: Document,
        metrics: _Rows,
        events: _Rows,
        data: _Rows,
        options: Options | None = None,
    ) -> None:
        """``options``: see `build_maps`. Raises ProfileError."""
        self.kind = kind.key
        measured = [_metric(kind, document, key, *row) for key, row in metrics.items()]
        conditions = {key: compiled(document, path, _condition, text) for key, (text, path) in events.items()}
        values = {key: compiled(document, path, _field, text) for key, (text, path) in data.items()}
        self._metrics = tuple((row, row.expression.evaluate) for row in measured)
        self._events = tuple((key, condition.evaluate) for key, condition in conditions.items())
        self._data = tuple((key, value.evaluate) for key, value in values.items())
        read = [
            *((metrics[row.key][1], row.expression.names) for row in measured),
            *((events[key][1], condition.names) for key, condition in conditions.items()),
            *((data[key][1], value.names) for key, value in values.items()),
        ]
        self._reads_options = any(name.startswith("option.") for _, names in read for name in names)
        for root, known in (options or {}).items():
            for path, names in read:
                check_options(document, path, names, root, known)

    def said(
        self,
        device: GearDevice,
        fields: Fields,
        *,
        observed_at_ms: int | None = None,
        identity: str | None = None,
        presence: bool | None = None,
    ) -> tuple[Said, tuple[Refusal, ...]]:
        """What ``fields`` say of ``device``, and what of it could not be used. Never raises."""
        if self._reads_options:
            fields = {**fields, "option": dict(device.options)}
        faults: tuple[Refusal, ...] = ()
        metrics: dict[str, float] = {}
        for row, evaluate in self._metrics:
            value = evaluate(fields)
            if value is None:
                if (word := _meaningless(row.expression, fields)) is not None:
                    faults += (_unreadable(row, word, device),)
                continue
            if isinstance(value, str) or (isinstance(value, bool) and not row.is_state):
                faults += (_no_number(row, value, device),)
            else:
                metrics[row.key] = float(value)
        data: dict[str, Scalar] = {}
        for key, look in self._data:
            item = look(fields)
            if item is not None:
                data[key] = item
        return (
            Said(
                device=device,
                metrics=metrics,
                events=tuple([key for key, holds in self._events if holds(fields)]) if self._events else (),
                data=data,
                observed_at_ms=observed_at_ms,
                identity=identity,
                presence=presence,
            ),
            faults,
        )


def _meaningless(expression: FieldExpression, fields: Fields) -> tuple[str, object] | None:
    """The field that is there and is not understood; None where one is missing, or says itself that it is not known."""
    found: tuple[str, object] | None = None
    for name in expression.names:
        value: object = fields
        for step in name.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        silent = value is None or (isinstance(value, str) and value.strip().lower() in _NO_WORD)
        if silent or _UNKNOWN in expression.text:
            return None
        found = found or (name, value)
    return found


def load_maps(text: str, name: str) -> Mapping[str, KindMap]:
    """The maps in a YAML text, by kind; ``name`` is the file's name in errors. Raises ProfileError."""
    document = read(text, name)
    return build_maps(document, ())


def build_maps(
    document: Document, path: Path, shared: Path | None = None, options: Options | None = None
) -> Mapping[str, KindMap]:
    """The maps below ``path`` of a document, by kind; what all share stands there as ``any``, or at ``shared``.

    ``options``: the options that may be given to a device (``option``) and to its bridge (``bridge``); None where any
    is taken. Raises ProfileError.
    """
    table = _table(document, path, _at(document, path))
    shared = (*path, ANY) if shared is None else shared
    common = _sections(document, shared, _at(document, shared) or {})
    maps: dict[str, KindMap] = {}
    for key, value in table.items():
        if (*path, key) == shared:
            continue
        kind = KINDS.get(key)
        if kind is None:
            raise document.error(
                (*path, key),
                "there is no such kind",
                expected=f"one of {', '.join(KINDS)}",
                hint=nearest(key, KINDS, "see docs/protocol.md"),
            )
        own = _sections(document, (*path, key), value)
        metrics = {k: row for k, row in common["metrics"].items() if k in kind.metrics} | own["metrics"]
        events = {k: row for k, row in common["events"].items() if k in kind.events} | own["events"]
        maps[key] = KindMap(kind, document, metrics, events, {**common["data"], **own["data"]}, options)
    if not maps:
        raise document.error(path, "it maps no kind", expected="at least one kind", hint="add one, such as contact:")
    _check_shared(document, common, maps)
    return maps


def compiled(document: Document, path: Path, make: Callable[[str], _Made], text: str) -> _Made:
    """``make(text)``; an ExpressionError becomes a ProfileError at ``path``."""
    try:
        return make(text)
    except ExpressionError as error:
        where = "" if error.position is None else f"column {error.position} of the expression: "
        hint = error.hint
        if text.count("(") > text.count(")"):
            hint = "between { and } a comma ends the expression: put it in single quotes, or on a line of its own"
        raise document.error(path, f"{where}{error.problem}", expected=error.expected, hint=hint) from None


def check_options(document: Document, path: Path, names: Collection[str], root: Root, known: Collection[str]) -> None:
    """An expression reads no option that nobody can give. Raises ProfileError."""
    for name in sorted(names):
        option = name.removeprefix(f"{root}.")
        if option != name and option not in known:
            raise document.error(
                path,
                f"there is no option {option}",
                expected=f"one of {', '.join(known)}" if known else "no option",
                hint=nearest(option, known, f"write it under {'device_options' if root == 'option' else 'options'}"),
            )


def _metric(kind: Kind, document: Document, key: str, text: str, path: Path) -> _Metric:
    if key not in kind.metrics:
        raise document.error(
            path,
            f"a {kind.key} has no such metric",
            expected=f"one of {', '.join(sorted(kind.metrics))}",
            hint="it is an event: write it under events"
            if key in kind.events
            else nearest(key, kind.metrics, "correct it, or leave it out"),
        )
    expression = compiled(document, path, _field, text)
    is_state = key in kind.states
    if expression.yields == "text" or (expression.yields == "truth" and not is_state):
        raise document.error(
            path,
            f"{text} is {'a text' if expression.yields == 'text' else 'true or false'}",
            expected="a number, or true or false" if is_state else f"a number, in {kind.metrics[key].unit}",
            hint="number(x) makes a number of a text, when(condition, 1, 0) of a condition",
        )
    return _Metric(key, expression, is_state)


def _no_number(row: _Metric, value: object, device: GearDevice) -> Refusal:
    said = f"{value}"
    return Refusal(
        "malformed",
        field=f"metrics.{row.key}",
        expected="a number, or true or false" if row.is_state else "a number",
        hint=f"got {said[:_SHOWN]!r} from {row.expression.text}; check the profile, or the kind in the registry",
        device=device.id,
    )


def _unreadable(row: _Metric, what: tuple[str, object], device: GearDevice) -> Refusal:
    name, value = what
    return Refusal(
        "malformed",
        field=f"metrics.{row.key}",
        expected=f"a {name} that {row.expression.text} can read",
        hint=f"got {f'{value}'[:_SHOWN]!r}; correct the gear, or say in the profile what it means",
        device=device.id,
    )


def _sections(document: Document, path: Path, value: Any) -> dict[str, dict[str, tuple[str, Path]]]:
    """The rows of metrics, events and data at ``path``, each with its place."""
    table = _table(document, path, value)
    found: dict[str, dict[str, tuple[str, Path]]] = {section: {} for section in _SECTIONS}
    for section, rows in table.items():
        if section not in _SECTIONS:
            raise document.error(
                (*path, section),
                "there is no such part of a map",
                expected=", ".join(_SECTIONS),
                hint=nearest(section, _SECTIONS, "write keys below metrics, events or data"),
            )
        for key, text in _table(document, (*path, section), rows).items():
            where = (*path, section, key)
            if not isinstance(text, str):
                raise document.error(where, "it is no expression", expected="one text", hint="write it on one line")
            if section == "events":
                _check_event(document, where, path, key)
            found[section][key] = (text, where)
    return found


def _check_event(document: Document, where: Path, path: Path, event: str) -> None:
    kind = KINDS.get(str(path[-1]))
    known = kind.events if kind is not None else {key for each in KINDS.values() for key in each.events}
    if event in _NOT_SAID or event not in known:
        raise document.error(
            where,
            f"a {kind.key if kind else 'device'} says no such event here",
            expected=f"one of {', '.join(sorted(set(known) - set(_NOT_SAID)))}",
            hint="it is a state: write it under metrics"
            if kind is not None and event in kind.states
            else nearest(event, set(known) - set(_NOT_SAID), "correct it, or leave it out"),
        )


def _check_shared(document: Document, common: Mapping[str, _Rows], maps: Mapping[str, KindMap]) -> None:
    """What is meant for all kinds must be of use to one of them."""
    for section in ("metrics", "events"):
        for key, (_, path) in common[section].items():
            if not any(key in getattr(KINDS[kind], section) for kind in maps):
                raise document.error(
                    path,
                    f"none of the mapped kinds has it ({', '.join(maps)})",
                    expected="a key of one of them",
                    hint="correct it, or leave it out",
                )


def _at(document: Document, path: Path) -> Any:
    value: Any = document.value
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _table(document: Document, path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise document.error(path, "it is no table", expected="keys with values", hint="write  key: value  below it")
    return value
