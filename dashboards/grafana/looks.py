"""Colours, words for values, units and links, as Grafana's field configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args, get_type_hints

from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models import units

from dashboards.board import Board, Colour, ColumnLook, Link, Panel, Thresholds, ValueText
from dashboards.grafana.target import Format, format_of, ref_id
from dashboards.query import Query
from dashboards.text import Language, Text

URL_VARIABLE: Final = "anju_url"
"""Constant of every board: the gateway's public address, without a slash at its end."""
COLOURS: Mapping[Colour, str] = {
    "green": "green",
    "yellow": "yellow",
    "orange": "orange",
    "red": "red",
    "blue": "blue",
    "purple": "purple",
    "grey": "#8e8e8e",
}
NO_CELL: Final = "–"
NO_DATA: Final = Text("无数据", "no data")
_COLUMN = re.compile(r"\{(\w+)\}")


UNITS: Final = frozenset(args[0] for hint in get_type_hints(units).values() if (args := get_args(hint)))
"""Units that Grafana knows how to write."""


def unit(found: str) -> str:
    """Grafana's unit id; one that it does not know (mmHg) is written behind the number as it is."""
    return found if found in UNITS else f"suffix:{found}"


def thresholds(found: Thresholds | None, plain: str = "text") -> sdk.ThresholdsConfig:
    """``plain``: the colour of what has no thresholds."""
    steps = found.steps if found else ()
    listed = [sdk.Threshold(value=step.at, color=COLOURS[step.colour]) for step in steps]
    return sdk.ThresholdsConfig(
        mode=sdk.ThresholdsMode.ABSOLUTE, steps=listed or [sdk.Threshold(value=None, color=plain)]
    )


def mappings(values: Sequence[ValueText], language: Language) -> list[sdk.ValueMapping]:
    """What stands for each value, in the order in which legends show them."""
    if not values:
        return []
    options = {
        key(one.value): sdk.ValueMappingResult(
            text=one.text.of(language), color=COLOURS[one.colour] if one.colour else None, index=index
        )
        for index, one in enumerate(values)
    }
    return [sdk.ValueMap(options=options)]


def nothing(panel: Panel, language: Language) -> list[sdk.ValueMapping]:
    """What stands for no answer in a big number, and its colour: Grafana would take that of the lowest value, so that a
    day without alarms had 0 % of them answered."""
    if panel.kind not in ("stat", "gauge"):
        return []
    said = NO_DATA if panel.empty is None else panel.empty
    colour: Colour = "grey" if panel.empty is None else panel.silence
    result = sdk.ValueMappingResult(text=said.of(language), color=COLOURS[colour], index=len(panel.values))
    options = sdk.DashboardSpecialValueMapOptions(match=sdk.SpecialValueMatch.NULL_AND_NAN, result=result)
    return [sdk.SpecialValueMap(options=options)]


def key(value: float | str) -> str:
    """A value as a mapping's key: JavaScript writes 1.0 as 1."""
    return value if isinstance(value, str) else f"{value:.15g}"


def overrides(
    panel: Panel, board: Board, boards: Mapping[str, Board], language: Language
) -> list[sdk.DashboardFieldConfigSourceOverrides]:
    """How single columns look."""
    found = []
    if panel.kind == "table" and panel.empty is not None:
        # What stands there while the table is empty is not what stands in an empty cell.
        every = sdk.MatcherConfig(id_val="byRegexp", options="/.*/")
        none = sdk.DynamicConfigValue("noValue", NO_CELL)
        found.append(sdk.DashboardFieldConfigSourceOverrides(matcher=every, properties=[none]))
    for look in panel.columns:
        for matcher, query in _matchers(panel, look):
            properties = list(_properties(panel, query, look, board, boards, language))
            if properties:
                found.append(sdk.DashboardFieldConfigSourceOverrides(matcher=matcher, properties=properties))
    return found


def _matchers(panel: Panel, look: ColumnLook) -> Iterable[tuple[sdk.MatcherConfig, Query]]:
    """What finds the column: by its name in a table; series of a query that is named otherwise, by the query."""
    seen: list[Format] = []
    for index, query in enumerate(panel.queries):
        labels = ["time", *query.by, *_labels(query)]
        form = format_of(panel, query)
        if look.column not in labels:
            if form == "time_series" and query.by:  # a series, by its name
                yield sdk.MatcherConfig(id_val="byName", options=look.column), query
                return
            continue
        plain = form == "table" or not (query.by or query.name)
        if plain:
            if form not in seen:
                seen.append(form)
                name = "Time" if look.column == "time" else look.column
                yield sdk.MatcherConfig(id_val="byName", options=name), query
        elif len(query.columns) == 1 and not query.by:
            # By its frame the time would be called so too, and be drawn as a number of that name.
            yield sdk.MatcherConfig(id_val="byName", options=query.name), query
        elif len(query.columns) == 1:
            yield sdk.MatcherConfig(id_val="byFrameRefID", options=ref_id(index)), query
        else:
            yield sdk.MatcherConfig(id_val="byRegexp", options=f"/ {re.escape(look.column)}$/"), query


def _labels(query: Query) -> list[str]:
    return [column.label for column in query.columns]


def _properties(
    panel: Panel, query: Query, look: ColumnLook, board: Board, boards: Mapping[str, Board], language: Language
) -> Iterable[sdk.DynamicConfigValue]:
    # Series of a column that is grouped by tags are told apart by their own names.
    of_groups = format_of(panel, query) == "time_series" and query.by and look.column in _labels(query)
    if look.title is not None and not of_groups:
        yield sdk.DynamicConfigValue("displayName", look.title.of(language))
    if look.unit is not None:
        yield sdk.DynamicConfigValue("unit", unit(look.unit))
    if look.thresholds is not None:
        yield sdk.DynamicConfigValue("thresholds", thresholds(look.thresholds))
    if look.values:
        yield sdk.DynamicConfigValue("mappings", mappings(look.values, language))
    if look.thresholds is not None and panel.kind != "table":
        yield sdk.DynamicConfigValue("color", {"mode": "thresholds"})
    if look.link is not None:
        yield sdk.DynamicConfigValue("links", [data_link(look.link, panel, query, board, boards, language)])
    if panel.kind == "table":
        yield from _cells(look)
    elif look.hidden:
        yield sdk.DynamicConfigValue("custom.hideFrom", {"tooltip": True, "viz": panel.kind != "map", "legend": True})


def _cells(look: ColumnLook) -> Iterable[sdk.DynamicConfigValue]:
    if look.width is not None:
        yield sdk.DynamicConfigValue("custom.width", look.width)
    if look.hidden:
        # Grafana 12.0 and 12.1 know the first, later ones the second; what is not known is passed over.
        yield sdk.DynamicConfigValue("custom.hidden", True)
        yield sdk.DynamicConfigValue("custom.hideFrom", {"viz": True, "tooltip": False, "legend": False})
    if look.gauge:
        yield sdk.DynamicConfigValue(
            "custom.cellOptions", {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        )
    elif look.thresholds is not None or any(one.colour for one in look.values):
        yield sdk.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"})


def data_link(
    link: Link, panel: Panel, query: Query, board: Board, boards: Mapping[str, Board], language: Language
) -> dict[str, object]:
    """A link of a value: its row's columns are in the address."""

    def column(name: str) -> str:
        labels = [one.label for one in query.columns]
        if format_of(panel, query) == "table":
            return f'${{__data.fields["{name}"]:percentencode}}'
        if name in query.by:
            return f"${{__field.labels.{name}:percentencode}}"
        raise LookupError(f"{board.uid}/{panel.key}: a link needs {name}, which its series do not carry: {labels}")

    return {
        "title": link.title.of(language),
        "url": url(link, board, boards, language, column),
        "targetBlank": _away(link),
    }


def url(link: Link, board: Board, boards: Mapping[str, Board], language: Language, column: Any) -> str:
    """Where a link leads. ``column`` gives the text that stands for a column of the row. Raises LookupError."""
    if link.board is None:
        path = _COLUMN.sub(lambda found: column(found[1]), link.path or "/")
        return f"${{{URL_VARIABLE}:raw}}{path}"
    there = boards.get(link.board)
    if there is None:
        raise LookupError(f"{board.uid}: a link leads to the board {link.board}, which does not exist")
    carried = dict(link.carry)
    parts = [f"var-{name}={column(of)}" for name, of in link.carry]
    here = {variable.name for variable in board.variables}
    parts += [f"${{{one.name}:queryparam}}" for one in there.variables if one.name in here and one.name not in carried]
    parts.append("${__url_time_range}")
    return f"/d/{link.board}-{language}?" + "&".join(parts)


def plain_link(link: Link, board: Board, boards: Mapping[str, Board], language: Language) -> sdk.DashboardLink:
    """A link at the head of a board or panel: the choice and the range go along, no row does."""

    def no_row(name: str) -> str:
        raise LookupError(f"{board.uid}: the link {link.title.en!r} needs the column {name} and has no row")

    return sdk.DashboardLink(
        title=link.title.of(language),
        type_val=sdk.DashboardLinkType.LINK,
        icon="external link" if _away(link) else "dashboard",
        tooltip=link.title.of(language),
        url=url(link, board, boards, language, no_row),
        target_blank=_away(link),
    )


def needs_row(link: Link) -> bool:
    """Whether the link goes by what stands in a row of the table."""
    return bool(link.carry or (link.path and _COLUMN.search(link.path)))


def _away(link: Link) -> bool:
    """Pages of the gateway open beside the board, so that the wall stays."""
    return link.board is None
