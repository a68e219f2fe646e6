"""One panel as Grafana's JSON model: options and field configuration of each kind."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from grafana_foundation_sdk.models import barchart, bargauge, common, gauge, piechart, stat, statetimeline
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models import table as tables
from grafana_foundation_sdk.models import text as texts
from grafana_foundation_sdk.models import timeseries as lines

from dashboards.board import Board, Panel, PanelKind
from dashboards.grafana import looks, maps, scatter
from dashboards.grafana.target import datasource, format_of, ranks, targets
from dashboards.text import Language

_DAY_MS = 86_400_000
_PALETTE = sdk.FieldColorModeId.PALETTE_CLASSIC
"""By number: by name, two lines of one picture may come to the same colour."""
TYPES: Mapping[PanelKind, str] = {
    "stat": "stat",
    "gauge": "gauge",
    "timeseries": "timeseries",
    "barchart": "barchart",
    "bargauge": "bargauge",
    "piechart": "piechart",
    "table": "table",
    "state-timeline": "state-timeline",
    "map": "geomap",
    "xychart": "xychart",
    "text": "text",
}


class Kind(NamedTuple):
    """What is particular to a kind of panel."""

    options: object
    custom: object | None = None
    """Its own part of the field configuration."""
    colour: sdk.FieldColorModeId = sdk.FieldColorModeId.THRESHOLDS


def panel_id(key: str) -> int:
    """A panel's number, by its key alone: it stays when panels come and go before it, and links to it hold."""
    return zlib.crc32(key.encode()) % 999_983 + 1


def build(panel: Panel, board: Board, boards: Mapping[str, Board], language: Language) -> sdk.Panel:
    """``panel`` without its place on the board. Raises LookupError for a link or column that leads nowhere."""
    type_, kind = TYPES[panel.kind], _KINDS[panel.kind](panel, language)
    if panel.kind == "barchart" and all(query.every for query in panel.queries):
        # Bars over time stand on an axis of time; Grafana's bar chart would write each instant out below its bar.
        type_, kind = "timeseries", _bars_over_time(panel)
    if panel.kind == "text":
        return sdk.Panel(
            type_val="text",
            id_val=panel_id(panel.key),
            title=panel.title.of(language),
            description=panel.description.of(language),
            links=[looks.plain_link(link, board, boards, language) for link in panel.links],
            options=kind.options,
        )
    own, data = _links(panel)
    defaults = sdk.FieldConfig(
        unit=looks.unit(panel.unit) if panel.unit else None,
        decimals=panel.decimals,
        min_val=panel.low,
        max_val=panel.high,
        mappings=[*looks.mappings(panel.values, language), *looks.nothing(panel, language)],
        thresholds=looks.thresholds(panel.thresholds, "transparent" if panel.kind == "table" else "text"),
        color=sdk.FieldColor(mode=kind.colour),
        no_value=panel.empty.of(language) if panel.empty else None,
        custom=kind.custom,
    )
    if data:
        # A data link is less than the dashboard link that the SDK's type asks for.
        found: list[Any] = [looks.data_link(link, panel, panel.queries[0], board, boards, language) for link in data]
        defaults.links = found
    return sdk.Panel(
        type_val=type_,
        id_val=panel_id(panel.key),
        title=panel.title.of(language),
        description=panel.description.of(language),
        datasource=datasource(),
        targets=targets(panel, language),
        links=[looks.plain_link(link, board, boards, language) for link in own] or None,
        transformations=_transformations(panel) or None,
        options=kind.options,
        field_config=sdk.FieldConfigSource(
            defaults=defaults, overrides=looks.overrides(panel, board, boards, language)
        ),
    )


def _links(panel: Panel) -> tuple[list[Any], list[Any]]:
    """Links of the panel's head, and of its values: a number or bar is clicked itself, a table has links in columns."""
    if panel.kind in ("table", "text"):
        return [one for one in panel.links if not looks.needs_row(one)], [
            one for one in panel.links if looks.needs_row(one)
        ]
    return [], list(panel.links)


def _transformations(panel: Panel) -> list[sdk.DataTransformerConfig]:
    """Columns in their order; what stands for one and the same tag of several queries in one row."""
    found: list[sdk.DataTransformerConfig] = []
    if panel.queries and all(format_of(panel, query) == "table" for query in panel.queries):
        order: dict[str, int] = {}
        for name in (
            name for query in panel.queries for name in ("Time", *query.by, *(c.label for c in query.columns))
        ):
            order.setdefault(name, len(order))
        # A number over a whole range has no time of its own.
        timeless = all(query.columns[0].aggregate and not query.every for query in panel.queries)
        options = {"excludeByName": {"Time": True} if timeless else {}, "indexByName": order, "renameByName": {}}
        found.append(sdk.DataTransformerConfig(id_val="organize", options=options))
        if len(panel.queries) > 1 and panel.kind != "map":
            found.append(sdk.DataTransformerConfig(id_val="merge", options={}))
        if panel.kind == "xychart" and (tag := next((tag for query in panel.queries for tag in query.by), None)):
            # A frame, and so a colour, for each value of the tag.
            found.append(sdk.DataTransformerConfig(id_val="partitionByValues", options={"fields": [tag]}))
        found += _ranking(panel)
    elif any(query.columns[0].aggregate is None for query in panel.queries) and panel.kind != "text":
        # The newest come first in the answer, and lines are drawn from the oldest.
        sort = {"fields": {}, "sort": [{"field": "Time"}]}
        found.append(sdk.DataTransformerConfig(id_val="sortBy", options=sort))
    return found


def _ranking(panel: Panel) -> list[sdk.DataTransformerConfig]:
    """The order of the rows, and how many are shown."""
    found: list[sdk.DataTransformerConfig] = []
    if panel.sort:
        field = {"field": panel.sort.removeprefix("-"), "desc": not panel.sort.startswith("-")}
        found.append(sdk.DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [field]}))
    if panel.top is not None:
        found.append(sdk.DataTransformerConfig(id_val="limit", options={"limitField": panel.top}))
    return found


def _reduced() -> common.ReduceDataOptions:
    """The last value of each series, of texts too, but not of the time."""
    return common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="/^(?!Time$)/")


def _several(panel: Panel) -> bool:
    return len(panel.queries) > 1 or any(query.by or len(query.columns) > 1 for query in panel.queries)


def _coloured(panel: Panel) -> bool:
    return panel.thresholds is not None or any(one.colour for one in panel.values)


def _legend(panel: Panel) -> common.VizLegendOptions:
    return common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=panel.legend,
        calcs=[],
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING)


def _stat(panel: Panel, _language: Language) -> Kind:
    curve = any(query.every == "auto" for query in panel.queries)
    options = stat.Options(
        graph_mode=common.BigValueGraphMode.AREA if curve else common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.BACKGROUND if _coloured(panel) else common.BigValueColorMode.NONE,
        justify_mode=common.BigValueJustifyMode.CENTER,
        text_mode=common.BigValueTextMode.VALUE_AND_NAME if _several(panel) else common.BigValueTextMode.VALUE,
        reduce_options=_reduced(),
        orientation=common.VizOrientation.AUTO,
    )
    return Kind(options)


def _gauge(panel: Panel, _language: Language) -> Kind:
    return Kind(gauge.Options(reduce_options=_reduced(), show_threshold_markers=panel.thresholds is not None))


def _bargauge(panel: Panel, _language: Language) -> Kind:
    options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        value_mode=common.BarGaugeValueMode.COLOR,
        orientation=common.VizOrientation.HORIZONTAL,
        # In an order: a bar for each row, named by its text.
        reduce_options=common.ReduceDataOptions(values=True, limit=panel.top, calcs=[], fields="")
        if ranks(panel)
        else _reduced(),
        legend=common.VizLegendOptions(
            display_mode=common.LegendDisplayMode.LIST,
            placement=common.LegendPlacement.BOTTOM,
            show_legend=False,
            calcs=[],
        ),
    )
    plain = sdk.FieldColorModeId.THRESHOLDS if panel.thresholds else _PALETTE
    return Kind(options, colour=plain)


def _timeseries(panel: Panel, _language: Language) -> Kind:
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.LINE,
        line_interpolation=common.LineInterpolation.LINEAR,
        line_width=2,
        fill_opacity=40 if panel.stack else 8,
        show_points=common.VisibilityMode.AUTO,
        # What speaks now and then is one line; what was silent for more than a day is two.
        insert_nulls=_DAY_MS if all(query.every == "auto" for query in panel.queries) else False,
        span_nulls=False,
        thresholds_style=common.GraphThresholdsStyleConfig(
            mode=common.GraphThresholdsStyleMode.DASHED if panel.thresholds else common.GraphThresholdsStyleMode.OFF
        ),
        stacking=common.StackingConfig(mode=_stacking(panel)),
    )
    options = lines.Options(legend=_legend(panel), tooltip=_tooltip())
    return Kind(options, custom, _PALETTE)


def _bars_over_time(panel: Panel) -> Kind:
    custom = common.GraphFieldConfig(
        draw_style=common.GraphDrawStyle.BARS,
        bar_alignment=common.BarAlignment.AFTER,
        bar_width_factor=0.9,
        line_width=0,
        fill_opacity=85,
        show_points=common.VisibilityMode.NEVER,
        thresholds_style=common.GraphThresholdsStyleConfig(
            mode=common.GraphThresholdsStyleMode.DASHED if panel.thresholds else common.GraphThresholdsStyleMode.OFF
        ),
        stacking=common.StackingConfig(mode=_stacking(panel)),
    )
    options = lines.Options(legend=_legend(panel), tooltip=_tooltip())
    return Kind(options, custom, _PALETTE)


def _stacking(panel: Panel) -> common.StackingMode:
    return common.StackingMode.NORMAL if panel.stack else common.StackingMode.NONE


def _barchart(panel: Panel, _language: Language) -> Kind:
    by = next((query.by[0] for query in panel.queries if query.by and query.every is None), None)
    options = barchart.Options(
        x_field=by,
        orientation=common.VizOrientation.AUTO,
        stacking=_stacking(panel),
        show_value=common.VisibilityMode.AUTO,
        x_tick_label_spacing=100,
        legend=_legend(panel),
        tooltip=_tooltip(),
        bar_width=0.9,
    )
    custom = barchart.FieldConfig(line_width=0, fill_opacity=85, thresholds_style=common.GraphThresholdsStyleConfig())
    return Kind(options, custom, sdk.FieldColorModeId.THRESHOLDS if panel.thresholds else _PALETTE)


def _piechart(panel: Panel, _language: Language) -> Kind:
    options = piechart.Options(
        pie_type=piechart.PieChartType.DONUT,
        display_labels=[],
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.SINGLE, sort=common.SortOrder.NONE),
        reduce_options=common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields=""),
        legend=piechart.PieChartLegendOptions(
            display_mode=common.LegendDisplayMode.TABLE,
            placement=common.LegendPlacement.RIGHT,
            show_legend=panel.legend,
            values=[piechart.PieChartLegendValues.VALUE, piechart.PieChartLegendValues.PERCENT],
            calcs=[],
        ),
    )
    return Kind(options, colour=_PALETTE)


def _table(panel: Panel, _language: Language) -> Kind:
    options = tables.Options(show_header=True, cell_height=common.TableCellHeight.SM)
    custom = common.TableFieldOptions(
        align=common.FieldTextAlignment.AUTO,
        inspect=False,
        filterable=True,
        cell_options=common.TableAutoCellOptions(),
    )
    return Kind(options, custom)


def _state_timeline(panel: Panel, _language: Language) -> Kind:
    options = statetimeline.Options(
        show_value=common.VisibilityMode.AUTO,
        merge_values=True,
        align_value=common.TimelineValueAlignment.LEFT,
        legend=_legend(panel),
        tooltip=_tooltip(),
    )
    custom = statetimeline.FieldConfig(line_width=0, fill_opacity=80)
    return Kind(options, custom)


def _map(panel: Panel, language: Language) -> Kind:
    custom = common.HideableFieldConfig(hide_from=common.HideSeriesConfig())
    return Kind(maps.options(panel, language), custom)


def _xychart(panel: Panel, _language: Language) -> Kind:
    colour = sdk.FieldColorModeId.THRESHOLDS if panel.thresholds else _PALETTE
    return Kind(scatter.options(panel, _legend(panel)), scatter.field_config(), colour)


def _text(panel: Panel, language: Language) -> Kind:
    return Kind(texts.Options(mode=texts.TextMode.MARKDOWN, content=panel.text.of(language) if panel.text else ""))


_KINDS: Mapping[PanelKind, Callable[[Panel, Language], Kind]] = {
    "stat": _stat,
    "gauge": _gauge,
    "timeseries": _timeseries,
    "barchart": _barchart,
    "bargauge": _bargauge,
    "piechart": _piechart,
    "table": _table,
    "state-timeline": _state_timeline,
    "map": _map,
    "xychart": _xychart,
    "text": _text,
}
