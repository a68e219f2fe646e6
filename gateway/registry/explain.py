"""Turn what Pydantic says about one entry into a sentence: expected, found, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gateway.registry.facts import NAME
from gateway.registry.problem import Path, did_you_mean, one_of

_BOOL_TRAP = " (YAML reads a bare yes, no, on, off as true or false: quote it if the word is meant)"
_NUMBER_TRAP = " (put it in quotes)"

_PLAIN: Mapping[str, str] = {
    "string_type": "text",
    "wording": "text, or {zh: …, en: …}",
    "fact": "a number, true or false, or text",
    "moment": "a date such as 2026-03-01, or an instant such as 2026-03-01 08:00",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list ([…] or lines that begin with -)",
    "list_type": "a list ([…] or lines that begin with -)",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}
_COMPARED: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_PATTERNS: Mapping[str, str] = {
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$": "an id of letters, digits, . _ - (at most 64, it travels in MQTT topics)",
    r"^[a-z0-9][a-z0-9-]{0,63}$": "an id of lower-case letters, digits and - (at most 64)",
    NAME: "a name of a to z, 0 to 9 and _, with a letter first (at most 32)",
}


_BRANCH = re.compile(r"(?:literal|tuple|list)\[.*\]")
"""Pydantic's name for one of the types that a value may be of, in the path to what is wrong with it."""


def one_branch(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Where a value may be of several types, what is wrong with it as the type that it was meant to be."""
    told: list[ErrorDetails] = []
    branches: dict[Path, list[tuple[int, ErrorDetails]]] = {}
    for error in errors:
        steps = (at for at, step in enumerate(error["loc"]) if isinstance(step, str) and _BRANCH.fullmatch(step))
        at = next(steps, None)
        if at is None:
            told.append(error)
        else:
            branches.setdefault(error["loc"][:at], []).append((at, error))
    for several in branches.values():
        inside = [one for one in several if len(one[1]["loc"]) > one[0] + 1]
        fitting = inside or [one for one in several if not one[1]["type"].endswith("_type")] or several[:1]
        for at, error in fitting:
            lists = not inside and any(str(one[1]["loc"][one[0]]).startswith(("tuple", "list")) for one in several)
            context = {**error.get("ctx", {}), **({"or_a_list": True} if lists else {})}
            told.append({**error, "loc": (*error["loc"][:at], *error["loc"][at + 1 :]), "ctx": context})
    return told


def explain(error: ErrorDetails, model: object, skip: int = 0) -> tuple[Path, str]:
    """Return the path inside the entry and the sentence. ``skip``: leading steps that are a union's tag, not a key."""
    location = tuple(step for step in error["loc"][skip:] if step != "[key]")  # Pydantic's word for a key itself
    kind, found, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return location, f"missing; add {location[-1]}: …"
    if kind == "extra_forbidden":
        models = _models_at(model, error["loc"][:-1])
        known = {field.alias or name for m in models for name, field in m.model_fields.items()}
        said = f"unknown key; expected one of {one_of(known)}{did_you_mean(location[-1], known)}"
        deeper = sorted(_deeper(models, str(location[-1])))
        return location, said + "".join(f"; {location[-1]} belongs into {above}: {{…}}" for above in deeper[:1])
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        tag = str(context["discriminator"]).strip("'")
        expected = _quoted(str(context["expected_tags"])) if "expected_tags" in context else _tags(model, tag)
        if kind == "union_tag_not_found":
            if not isinstance(found, Mapping):
                return location, f"expected a mapping (key: value), found {show(found)}"
            return (*location, tag), f"missing; expected one of {one_of(expected)}"
        wrong = context["tag"]
        return (*location, tag), (
            f"unknown {tag} {show(wrong)}; expected one of {one_of(expected)}{did_you_mean(wrong, expected)}"
        )
    return location, _sentence(kind, found, context, error["msg"])


def _sentence(kind: str, found: object, context: Mapping[str, Any], message: str) -> str:
    if kind in _PLAIN:
        hint = ""
        if isinstance(found, bool):
            hint = _BOOL_TRAP
        elif kind in ("string_type", "wording") and isinstance(found, int | float):
            hint = _NUMBER_TRAP
        elif kind in ("string_type", "wording", "fact") and isinstance(found, date):
            hint = " (YAML reads it as a date: put it in quotes)"
        return f"expected {_PLAIN[kind]}, found {show(found)}{hint}"
    if kind in _COMPARED:
        words, key = _COMPARED[kind]
        return f"expected {words} {context[key]}, found {show(found)}"
    if kind in ("literal_error", "enum"):
        expected = _quoted(str(context["expected"]))
        trap = _BOOL_TRAP if isinstance(found, bool) else ""
        listed = ", or a list […]" if "or_a_list" in context else ""
        near = did_you_mean(found, expected)
        return f"expected one of {', '.join(expected)}{listed}, found {show(found)}{trap}{near}"
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return f"expected {_PATTERNS.get(pattern, 'text like ' + pattern)}, found {show(found)}"
    if kind in ("too_short", "string_too_short"):
        return f"expected at least {context.get('min_length')}, found {context.get('actual_length', show(found))}"
    if kind in ("too_long", "string_too_long"):
        return f"expected at most {context.get('max_length')} characters or entries, found more"
    if kind == "value_error":
        return _told(str(context.get("error", message)), found)
    return f"{message}, found {show(found)}"


def _told(said: str, found: object) -> str:
    """A check of our own: add what was found, and the nearest of the names it lists at its end."""
    named = re.search(r"'([^']*)'", said)
    wrong = named.group(1) if named else found if isinstance(found, str) else None
    head, _, tail = said.partition("; ")
    listed = re.sub(r"^(known [a-z ]+:|it has)", "", tail).strip()
    candidates = [name.strip() for name in listed.split(",")] if listed else []
    if isinstance(found, str) and named is None:
        head += f" {show(found)}"
    if candidates and listed != tail:
        return f"{head}; expected one of {', '.join(candidates)}{did_you_mean(wrong, candidates)}"
    return f"{head}; {tail}" if tail else head


def show(value: object) -> str:
    """A value as its writer would recognise it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping with " + one_of([str(key) for key in value], 5) if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:58] + '…"'


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Every model an annotation may stand for, through unions, tuples and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    else:
        for inner in get_args(annotation):
            yield from _models(inner)


def _models_at(model: object, location: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models a mapping at ``location`` may be of. A step that is no field is an index or a union's tag."""
    models = list(_models(model))
    for step in location:
        inner = [
            found for m in models if step in m.model_fields for found in _models(m.model_fields[str(step)].annotation)
        ]
        if inner:
            models = inner
        elif isinstance(step, str):
            models = [m for m in models if step in _tag_values(m)] or models
    return models


def _deeper(models: Sequence[type[BaseModel]], key: str) -> Iterator[str]:
    """The fields that are mappings with ``key`` in them."""
    for m in models:
        for name, field in m.model_fields.items():
            if get_origin(field.annotation) is not tuple and any(
                key in d.model_fields for d in _models(field.annotation)
            ):
                yield name


def _tag_values(model: type[BaseModel]) -> set[object]:
    return {value for field in model.model_fields.values() for value in get_args(field.annotation)}


def _tags(model: object, discriminator: str) -> list[str]:
    return [str(value) for m in _models(model) for value in get_args(m.model_fields[discriminator].annotation)]
