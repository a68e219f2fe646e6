"""Holds dashboard JSON against Grafana's published types, as the foundation SDK has them.

The SDK reads what it knows and passes over the rest, so whatever is not in what it writes again is an option that
Grafana does not know; and each value it read must be of the type that its class declares.
"""

from __future__ import annotations

import enum
import functools
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.runtime import panelcfg_config
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models import units

plugins.register_default_plugins()

DATA_LINK = {"title": str, "url": str, "targetBlank": bool}
TARGET = {"refId", "datasource", "rawQuery", "query", "resultFormat", "alias"}
"""What Grafana's InfluxDB data source reads of a query; the SDK has no type for it."""
LATER = {"custom.hideFrom"}
"""Known to Grafana, and younger than this SDK."""
UNITS = {typing.get_args(hint)[0] for hint in typing.get_type_hints(units).values() if typing.get_args(hint)}


def faults(dashboard: dict[str, Any]) -> list[str]:
    """What in a dashboard's JSON Grafana does not know, or expects to be of another type."""
    data = json.loads(json.dumps(dashboard))
    found: list[str] = []
    for panel in data.get("panels", []):
        at = f"{data.get('uid')}/{panel.get('title')}"
        config = panel.get("fieldConfig", {})
        found += _links(at, config.get("defaults", {}).pop("links", []))
        for override in config.get("overrides", []):
            for one in override["properties"]:
                found += _property(at, panel["type"], one["id"], one["value"])
        for target in panel.get("targets", []):
            found += [f"{at}: a query has {key!r}" for key in target.keys() - TARGET]
        unit = config.get("defaults", {}).get("unit")
        if unit is not None and not _is_unit(unit):
            found.append(f"{at}: {unit!r} is no unit of Grafana")
    read = sdk.Dashboard.from_json(data)
    found += _missing(str(data.get("uid")), data, json.loads(json.dumps(read, cls=JSONEncoder)))
    return found + list(_mistyped(str(data.get("uid")), read, sdk.Dashboard))


def _property(at: str, panel: str, id_: str, value: Any) -> list[str]:
    """One property of an override."""
    if id_ == "links":
        return _links(at, value)
    if id_ == "unit" and not _is_unit(value):
        return [f"{at}: {value!r} is no unit of Grafana"]
    name = id_.removeprefix("custom.")
    if name == id_:
        read: Any = sdk.FieldConfig.from_json({id_: value})
    else:
        config = panelcfg_config(panel)
        if config is None or config.field_config_from_json_hook is None:
            return [] if id_ in LATER else [f"{at}: {panel} has no {id_}"]
        read = config.field_config_from_json_hook({name: value})
    if id_ in LATER:
        return []
    return [
        *_missing(f"{at}: {id_}", {name: value}, json.loads(json.dumps(read, cls=JSONEncoder))),
        *_mistyped(f"{at}: {id_}", read, type(read)),
    ]


def _is_unit(unit: str) -> bool:
    return unit in UNITS or unit.startswith("suffix:")


def _links(at: str, links: list[dict[str, Any]]) -> list[str]:
    return [
        f"{at}: a link has {key}: {value!r}"
        for link in links
        for key, value in link.items()
        if not isinstance(value, DATA_LINK.get(key, type(None)))
    ]


def _missing(at: str, data: Any, again: Any) -> list[str]:
    """What of ``data`` is not in what was read of it."""
    if isinstance(data, dict):
        if not isinstance(again, dict):
            return [f"{at}: {data!r} became {again!r}"]
        return [
            fault
            for key, value in data.items()
            for fault in (
                _missing(f"{at}.{key}", value, again[key]) if key in again else [f"{at}.{key}: unknown to Grafana"]
            )
        ]
    if isinstance(data, list):
        if not isinstance(again, list) or len(again) != len(data):
            return [f"{at}: {data!r} became {again!r}"]
        return [
            fault
            for index, (one, other) in enumerate(zip(data, again, strict=True))
            for fault in _missing(f"{at}[{index}]", one, other)
        ]
    return [] if data == again else [f"{at}: {data!r} became {again!r}"]


def _mistyped(at: str, value: Any, hint: Any) -> Iterator[str]:
    """Where ``value`` is not what ``hint`` says."""
    reader = next((one for one in _alternatives(hint) if hasattr(one, "from_json")), None)
    if isinstance(value, dict) and reader is not None:  # the SDK left it as it stood
        read = reader.from_json(value)
        yield from _missing(at, value, json.loads(json.dumps(read, cls=JSONEncoder)))
        yield from _mistyped(at, read, reader)
        return
    if not _fits(value, hint):
        yield f"{at}: {value!r} is not {hint}"
        return
    hint = _of_union(value, hint)
    if isinstance(value, list):
        (inner,) = typing.get_args(hint) or (Any,)
        for index, one in enumerate(value):
            yield from _mistyped(f"{at}[{index}]", one, inner)
    elif isinstance(value, dict):
        inner = (typing.get_args(hint) or (Any, Any))[1]
        for key, one in value.items():
            yield from _mistyped(f"{at}.{key}", one, inner)
    elif hasattr(value, "to_json") and not isinstance(value, enum.Enum):
        for name, inner in _hints(type(value)).items():
            if hasattr(value, name):
                yield from _mistyped(f"{at}.{name}", getattr(value, name), inner)


_hints = functools.cache(typing.get_type_hints)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _of_union(value: Any, hint: Any) -> Any:
    """The alternative that ``value`` is of."""
    return next((one for one in _alternatives(hint) if _fits(value, one)), hint)


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if hint is Any or hint is object:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin in (list, dict):
        return isinstance(value, origin)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return any(value == one.value for one in hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)
