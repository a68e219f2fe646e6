"""Points of one number over another (speed over flow), as xychart options."""

from __future__ import annotations

from grafana_foundation_sdk.models import common, xychart

from dashboards.board import Panel


def options(panel: Panel, legend: common.VizLegendOptions) -> xychart.Options:
    """The first column of each query goes to the right, the others up.

    A query by tags comes as a frame for each of their values: then every frame is taken, and no frame is named.
    """
    apart = any(query.by for query in panel.queries)
    series = [
        xychart.XYSeriesConfig(
            frame=None if apart else xychart.XychartXYSeriesConfigFrame(matcher=_frame(index)),
            x=xychart.XychartXYSeriesConfigX(matcher=_name(query.columns[0].label)),
            y=xychart.XychartXYSeriesConfigY(matcher=_name(column.label)),
        )
        for index, query in enumerate(panel.queries)
        for column in query.columns[1:]
    ]
    return xychart.Options(
        mapping=xychart.SeriesMapping.AUTO if apart else xychart.SeriesMapping.MANUAL,
        legend=legend,
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.SINGLE, sort=common.SortOrder.NONE),
        series=series,
    )


def field_config() -> xychart.FieldConfig:
    """Points without lines."""
    return xychart.FieldConfig(
        show=xychart.XYShowMode.POINTS,
        point_size=xychart.XychartFieldConfigPointSize(fixed=5),
        fill_opacity=60,
    )


def _frame(index: int) -> xychart.MatcherConfig:
    """The answer of one query; frames have no better name in a manual mapping."""
    return xychart.MatcherConfig(id_val="byIndex", options=index)


def _name(label: str) -> xychart.MatcherConfig:
    return xychart.MatcherConfig(id_val="byName", options=label)
