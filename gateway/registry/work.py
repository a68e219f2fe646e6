"""The table of work types: what Anju ships, and what a community lays over it or adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from gateway.cases.work import WorkType

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
FILE = Path(__file__).parent / "work_types.yaml"


@cache
def _read() -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in yaml.load(FILE.read_text(encoding="utf-8"), Loader=_LOADER)}


def catalogue() -> Mapping[str, Mapping[str, Any]]:
    """The shipped rows as they are written, by id."""
    return MappingProxyType({id_: MappingProxyType(row) for id_, row in _read().items()})


@cache
def shipped() -> Mapping[str, WorkType]:
    """The shipped rows, validated."""
    return MappingProxyType({id_: WorkType.model_validate(row) for id_, row in _read().items()})


def work_types(own: tuple[WorkType, ...]) -> Mapping[str, WorkType]:
    """The table of a community: the shipped rows, with its own in their stead and beside them; none that is off."""
    rows = {**shipped(), **{row.id: row for row in own}}
    return MappingProxyType({id_: row for id_, row in rows.items() if row.enabled})
