"""A profile as it stands in YAML: its keys, their types, and what each is for. The JSON Schema is made from here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from devices.gear.profile_error import ProfileError, nearest
from devices.gear.yamltext import Document, Path, Value
from devices.kind import Kind
from devices.kinds import KINDS

Word = Annotated[str, Meta(min_length=1)]
Texts = Word | Annotated[list[Word], Meta(min_length=1)]


class KindTable(msgspec.Struct, forbid_unknown_fields=True):
    """What the fields mean for one kind. Expressions, by the keys of the kind."""

    metrics: Annotated[
        dict[str, str], Meta(description="Values, in the kind's units; true and false for a state.")
    ] = {}
    events: Annotated[
        dict[str, str], Meta(description="Conditions: what happened in this moment and is no state.")
    ] = {}
    data: Annotated[dict[str, str], Meta(description="What belongs to the message and is no measurement.")] = {}


class Copies(msgspec.Struct, forbid_unknown_fields=True):
    """One transmission comes several times: the same again within so many seconds is the same message."""

    within_s: Annotated[float, Meta(gt=0, le=60, description="Between one copy and the next.")]
    apart_from: Annotated[list[Word], Meta(description="Fields that differ between copies: time, rssi.")] = []


class AnswerEntry(msgspec.Struct, forbid_unknown_fields=True):
    """The message answers a command, and names it."""

    id: Annotated[Word, Meta(description="The command's id, as it was sent: {id}.")]
    ok: Annotated[Word, Meta(description="Condition: whether it was done.")]
    error: Annotated[str, Meta(description="Why it was not: {error.message}.")] = ""


class MessageEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One sort of message. The first entry that fits is used."""

    topic: Annotated[Texts, Meta(description="Pattern of the topic (HTTP: the path), or several: {base}/x/{address}.")]
    format: Annotated[Literal["json", "text", "number"], Meta(description="How the payload is written.")] = "json"
    when: Annotated[str, Meta(description="Condition: the entry counts only where it holds.")] = ""
    ignore: Annotated[str, Meta(description="Why such a message concerns no device. It is passed over.")] = ""
    describes: Annotated[bool, Meta(description="The message describes gear, and reports nothing.")] = False
    as_: Annotated[
        str, Meta(description="What the payload is called in expressions: POWER, {name}. A JSON object needs no name.")
    ] = msgspec.field(name="as", default="")
    fields: Annotated[str, Meta(description="Where in the payload the fields stand, if not at its top.")] = ""
    each: Annotated[str, Meta(description="List or object of several reports; its fields lie over the others.")] = ""
    parts: Annotated[list[Word], Meta(description="Keys that belong to one part: POWER{part#}, {name}:{part#}.")] = []
    address: Annotated[Texts | None, Meta(description="The address, or several to try: {model}/{id}.")] = None
    part: Annotated[str, Meta(description="The part of the device that it is about: {id}.")] = ""
    time: Annotated[str, Meta(description="Expression: the source's own time, in ms since the epoch.")] = ""
    identity: Annotated[str, Meta(description="The source's own name of this message: {counter}.")] = ""
    counter: Annotated[
        str,
        Meta(description="Expression: a count of presses that a repeat does not change, and a power cut sets to 0."),
    ] = ""
    copies: Annotated[Copies | None, Meta(description="One transmission comes several times.")] = None
    presence: Annotated[str, Meta(description="Condition: true says it is there, false that it is gone.")] = ""
    answer: Annotated[AnswerEntry | None, Meta(description="It answers a command, and names it.")] = None


class Announce(msgspec.Struct, forbid_unknown_fields=True):
    """What a stranger most probably is."""

    kind: Annotated[dict[str, str], Meta(description="Kind and condition; the first that holds.")] = {}
    name: Annotated[str, Meta(description="A text with values: {name}.")] = ""
    vendor: Annotated[str, Meta(description="The maker, as name.")] = ""
    model: Annotated[str, Meta(description="As name.")] = ""
    firmware: Annotated[str, Meta(description="The firmware's version, as name.")] = ""


class CommandEntry(msgspec.Struct, forbid_unknown_fields=True):
    """A command in the gear's own words. May use {address}, {part}, {id} (the command's), {option.x} and arguments."""

    topic: Annotated[Word, Meta(description="A text with values: {base}/{address}/set.")]
    payload: Annotated[str, Meta(description="A text with values; JSON where it begins with a bracket.")] = ""
    args: Annotated[
        dict[str, dict[str, str]],
        Meta(description="Argument: value, and what is sent for it. The first row is for an argument not given."),
    ] = {}
    confirm: Annotated[
        dict[str, float] | None,
        Meta(
            description="The metrics that a report must show for it to be done; {} where an answer names the command."
        ),
    ] = None
    retain: Annotated[bool, Meta(description="Whether the broker is to keep it.")] = False


class ProfileDocument(msgspec.Struct, forbid_unknown_fields=True):
    """One profile."""

    key: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,39}$", description="As the registry writes it.")]
    zh: Annotated[Word, Meta(description="Its name in Chinese.")]
    en: Annotated[Word, Meta(description="Its name in English.")]
    carrier: Annotated[Literal["mqtt", "http"], Meta(description="How it comes: mqtt, or http (pushed).")]
    models: Annotated[list[Word], Meta(min_length=1, description="Real gear, by maker and model.")]
    source: Annotated[Word, Meta(description="Where the format is documented.")]
    messages: Annotated[list[MessageEntry], Meta(min_length=1, description="The sorts of messages, tried in order.")]
    kinds: Annotated[dict[str, KindTable], Meta(min_length=1, description="What the fields mean, by kind.")]
    any: Annotated[KindTable, Meta(description="What all kinds share; counts for the keys that a kind has.")] = (
        msgspec.field(default_factory=KindTable)
    )
    spec_only: Annotated[bool, Meta(description="Made from documents alone, without a recording.")] = False
    base: Annotated[str, Meta(description="What {base} is where the registry names nothing else.")] = ""
    options: Annotated[dict[str, Word], Meta(description="What a bridge may be told: bridge.x in expressions.")] = {}
    device_options: Annotated[dict[str, Word], Meta(description="What a device may be told: option.x.")] = {}
    default_part: Annotated[
        str, Meta(description="Which part a device is that names none. Empty: it is all parts together.")
    ] = ""
    announce: Annotated[Announce, Meta(description="What gear that is not registered most probably is.")] = (
        msgspec.field(default_factory=Announce)
    )
    commands: Annotated[dict[str, dict[str, CommandEntry]], Meta(description="By kind and command.")] = {}


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_TYPES = {
    "str": "a text",
    "array": "a list",
    "object": "a table",
    "bool": "true or false",
    "float": "a number",
    "null": "nothing",
}
_TABLES: dict[str, type[msgspec.Struct]] = {
    "messages": MessageEntry,
    "copies": Copies,
    "answer": AnswerEntry,
    "announce": Announce,
    "commands": CommandEntry,
    "kinds": KindTable,
    "any": KindTable,
}
_CHOICES = {"carrier": "mqtt or http", "format": "json, text or number"}
_SEE = "see docs/devices/README.md"


def convert(document: Document) -> ProfileDocument:
    """The document with its types checked. Raises ProfileError."""
    try:
        return msgspec.convert(document.value, ProfileDocument, strict=False)
    except msgspec.ValidationError as error:
        raise _explained(document, str(error)) from None


def _explained(document: Document, text: str) -> ProfileError:
    said, _, where = text.partition(" - at `$")
    path = _path(document.value, text, where.rstrip("`"))
    unknown = re.search(r"unknown field `(.*)`", said)
    if unknown is not None:
        known = next((_TABLES[str(s)] for s in reversed(path) if s in _TABLES), ProfileDocument).__struct_fields__
        return document.error(
            (*path, unknown[1]),
            "there is no such key here",
            expected=f"one of {', '.join(known)}",
            hint=nearest(unknown[1], known, "correct it, or leave it out"),
        )
    missing = re.search(r"missing required field `(.*)`", said)
    if missing is not None:
        return document.error(path, f"{missing[1]} is missing", expected=f"a key {missing[1]}", hint=_SEE)
    choices = _CHOICES.get(str(path[-1])) if path else None
    if choices is not None:
        return document.error(path, "it is none of the choices", expected=choices, hint=_SEE)
    expected, _, got = said.replace("`", "").removeprefix("Expected ").partition(", got ")
    if "matching regex" in expected:
        expected = "small letters, digits and dashes, a letter first"
    words = " or ".join(_TYPES.get(word, word) for word in expected.split(" | "))
    words = re.sub(r"(\w+) of length >= 1", lambda found: f"{_TYPES[found[1]]} that is not empty", words)
    return document.error(path, f"it is {_TYPES.get(got, got) if got else 'not usable'}", expected=words, hint=_SEE)


def _path(whole: Value, text: str, where: str) -> Path:
    """The path that msgspec names. It does not say which key of a table it means: that is found by trying each."""
    path: list[str | int] = []
    for key, index in _STEP.findall(where):
        step = index or key
        if index == "...":
            table = _at(whole, path)
            step = next((key for key in table if _fails(whole, path, {key: table[key]}, text)), "")
        path.append(int(step) if step.isdigit() and index else step)
    return tuple(path)


def _at(value: Any, path: list[str | int]) -> Any:
    for step in path:
        value = value[step]
    return value


def _fails(whole: Value, path: list[str | int], table: Value, text: str) -> bool:
    """Whether ``whole``, with ``table`` alone at ``path``, has the same fault."""
    trial: Any = table
    for depth in range(len(path) - 1, -1, -1):
        around = _at(whole, path[:depth])
        step = path[depth]
        if isinstance(around, dict):
            trial = {**around, step: trial}
        else:
            trial = [trial if at == step else value for at, value in enumerate(around)]
    try:
        msgspec.convert(trial, ProfileDocument, strict=False)
    except msgspec.ValidationError as error:
        return str(error) == text
    return False


def schema() -> dict[str, Any]:
    """JSON Schema of a profile's YAML, for editors: with the keys of every kind."""
    _, definitions = msgspec.json.schema_components([ProfileDocument], ref_template="#/$defs/{name}")
    whole = definitions[ProfileDocument.__name__]["properties"]
    for kind in KINDS.values():
        definitions[f"kind {kind.key}"] = _kind_schema(kind)
    whole["kinds"] |= {
        "properties": {key: {"$ref": f"#/$defs/kind {key}"} for key in KINDS},
        "additionalProperties": False,
    }
    for definition in definitions.values():
        _loosen(definition)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Anju device profile",
        "$ref": f"#/$defs/{ProfileDocument.__name__}",
        "$defs": definitions,
    }


def _kind_schema(kind: Kind) -> dict[str, Any]:
    def keys(rows: Iterable[tuple[str, str]]) -> dict[str, Any]:
        properties = {key: {"description": said, "type": "string"} for key, said in rows}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    metrics = keys((one.key, f"{one.zh} {one.en}, {one.unit}") for one in kind.metrics.values())
    events = keys((one.key, f"{one.zh} {one.en}") for one in kind.events.values())
    data = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "description": f"{kind.zh} {kind.en}",
        "type": "object",
        "properties": {"metrics": metrics, "events": events, "data": data},
        "additionalProperties": False,
    }


def _loosen(node: Any) -> None:
    """An expression may look like a number or a truth value to an editor."""
    if isinstance(node, dict):
        if node.get("type") == "string" and "pattern" not in node and "enum" not in node:
            node["type"] = ["string", "number", "boolean"]
        for value in node.values():
            _loosen(value)
    elif isinstance(node, list):
        for value in node:
            _loosen(value)
