"""The dashboards as `dashboards/json` holds them, with what a site sets: its address, its day, its data source."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import Any

from dashboards.alerting import DATA_SOURCE
from dashboards.influxql import DAY_VARIABLE
from dashboards.text import LANGUAGES, Language
from gateway.grafana.compare import seconds
from gateway.grafana.model import Json, WantedDashboard

URL_VARIABLE = "anju_url"
"""Constant of every board: where the gateway's own pages are."""


class NoBoards(Exception):
    """The package holds no dashboards."""


def read_boards() -> dict[Language, list[Json]]:
    """Language → the boards' JSON, by uid. Raises NoBoards."""
    found: dict[Language, list[Json]] = {}
    for language in LANGUAGES:
        folders = [files("dashboards") / "json" / name for name in (language, f"{language}-care")]
        there = [one for folder in folders if folder.is_dir() for one in folder.iterdir()]
        texts = [one.read_text(encoding="utf-8") for one in there]
        found[language] = sorted((json.loads(text) for text in texts), key=lambda board: str(board["uid"]))
    if not any(found.values()):
        raise NoBoards("the package holds no dashboards: `python -m dashboards` writes them")
    return found


def private_uids() -> frozenset[str]:
    """The boards that hold health data, by their uids in Grafana."""
    from dashboards.boards import BOARDS  # only here: they take half a second to make

    return frozenset(f"{board.uid}-{language}" for board in BOARDS if board.private for language in LANGUAGES)


def wanted_dashboard(
    board: Json, folder: str, *, url: str, day: str, data_source: str, min_refresh: str = ""
) -> WantedDashboard:
    """The board as it is to stand in this Grafana. ``day``: when its days begin, such as ``-480m``.

    ``min_refresh``: Grafana refuses a board that refreshes more often than that.
    """
    model = _with_data_source(board, data_source) if data_source != DATA_SOURCE else json.loads(json.dumps(board))
    for variable in model.get("templating", {}).get("list", ()):
        value = {URL_VARIABLE: url, DAY_VARIABLE: day}.get(variable.get("name"))
        if value is not None:
            variable["query"] = value
            variable["current"] = {"selected": True, "text": value, "value": value}
            variable["options"] = [dict(variable["current"])]
    least, own = seconds(min_refresh), seconds(str(model.get("refresh", "")))
    if least is not None and own is not None and own < least:
        model["refresh"] = min_refresh
    model.pop("id", None)
    model.pop("version", None)
    text = json.dumps(model, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    mark = f"anju {hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return WantedDashboard(str(model["uid"]), folder, model, mark)


def _with_data_source(value: Any, uid: str) -> Any:
    if isinstance(value, dict):
        return {key: _with_data_source(inner, uid) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_data_source(inner, uid) for inner in value]
    return uid if value == DATA_SOURCE else value
