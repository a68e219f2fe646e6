"""Queries of panels, annotations and variables as Grafana's InfluxDB data source takes them."""

from __future__ import annotations

from typing import Final, Literal

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

from dashboards.board import Annotation, Panel
from dashboards.influxql import grafana
from dashboards.query import Query
from dashboards.text import Language

DATASOURCE_UID: Final = "anju-influx"
Format = Literal["table", "time_series"]

_TABLES = ("table", "map", "xychart")


class InfluxQL(Dataquery):
    """One query of a panel. The SDK has no class for InfluxQL."""

    def __init__(self, ref_id: str, text: str, result_format: Format, alias: str = "") -> None:
        self.ref_id = ref_id
        self.text = text
        self.result_format: Format = result_format
        self.alias = alias

    def to_json(self) -> dict[str, object]:
        payload: dict[str, object] = {
            "refId": self.ref_id,
            "datasource": datasource(),
            "rawQuery": True,
            "query": self.text,
            "resultFormat": self.result_format,
        }
        if self.alias:
            payload["alias"] = self.alias
        return payload


class AnnotationQL(Dataquery):
    """The query of an annotation, with the columns that are written at the mark."""

    def __init__(self, annotation: Annotation, language: Language) -> None:
        self.annotation = annotation
        self.language = language

    def to_json(self) -> dict[str, object]:
        return {
            "refId": "Anno",
            "datasource": datasource(),
            "rawQuery": True,
            "query": grafana(self.annotation.query, self.language),
            "queryType": "tags",
            "fromAnnotations": True,
            "name": self.annotation.title.of(self.language),
            "textColumn": self.annotation.text,
            "tagsColumn": ",".join(self.annotation.tags),
            "titleColumn": "",
            "timeEndColumn": "",
        }


def datasource() -> DataSourceRef:
    """The data source that the deployment provisions."""
    return DataSourceRef(type_val="influxdb", uid=DATASOURCE_UID)


def format_of(panel: Panel, query: Query) -> Format:
    """One table, or a series for each column and group."""
    bars_by_tag = panel.kind == "barchart" and query.every is None
    return "table" if panel.kind in _TABLES or bars_by_tag or ranks(panel) else "time_series"


def ranks(panel: Panel) -> bool:
    """Whether bars stand in an order: only rows of a table can be sorted."""
    return panel.kind == "bargauge" and bool(panel.sort)


def targets(panel: Panel, language: Language) -> list[Dataquery]:
    """The panel's queries as Grafana keeps them."""
    found: list[Dataquery] = []
    for index, query in enumerate(panel.queries):
        form = format_of(panel, query)
        alias = alias_of(query) if form == "time_series" else ""
        found.append(InfluxQL(ref_id(index), grafana(query, language), form, alias))
    return found


def ref_id(index: int) -> str:
    """The letter of a panel's query, counted from 0."""
    return chr(ord("A") + index)


def alias_of(query: Query) -> str:
    """What a series is called: the query's name, else its tags; and its column, where there are several."""
    name = query.name
    for tag in query.by:
        name = name.replace(f"{{{tag}}}", f"[[tag_{tag}]]")
    if not name:
        name = " ".join(f"[[tag_{tag}]]" for tag in query.by)
    if len(query.columns) > 1 or not name:
        name = f"{name} [[col]]".strip()
    return name
