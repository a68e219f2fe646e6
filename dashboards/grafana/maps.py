"""A map without an outside tile server: markers on an empty ground, as geomap options.

Geomap has no basemap type for "none": without a type it takes the server's default, which loads tiles from the
internet, and a type that it does not know is an error. Its XYZ layer takes any address of an image, so one empty image
in the address itself is the ground, and nothing is ever asked of a network.
"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models import common, geomap

from dashboards.board import ColumnLook, Panel
from dashboards.grafana.looks import COLOURS
from dashboards.grafana.target import ref_id
from dashboards.query import Query
from dashboards.text import Language

EMPTY_TILE: Final = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent image of one pixel."""
LATITUDE, LONGITUDE = "lat", "lon"


def options(panel: Panel, language: Language) -> geomap.Options:
    """Markers of each query, coloured by the first column that has colours; what is seen fits the markers."""
    layers = [_markers(panel, query, index, language) for index, query in enumerate(panel.queries)]
    return geomap.Options(
        view=geomap.MapViewConfig(id_val="fit", lat=0, lon=0, zoom=16, max_zoom=18, padding=15, all_layers=True),
        controls=geomap.ControlsOptions(
            show_zoom=True,
            mouse_wheel_zoom=True,
            show_attribution=False,
            show_scale=True,
            show_measure=False,
            show_debug=False,
        ),
        basemap=common.MapLayerOptions(
            type_val="xyz",
            name="ground",
            config={"url": EMPTY_TILE, "attribution": "", "minZoom": 0, "maxZoom": 22},
            tooltip=False,
        ),
        layers=layers,
        tooltip=geomap.TooltipOptions(mode=geomap.TooltipMode.DETAILS),
    )


def _markers(panel: Panel, query: Query, index: int, language: Language) -> common.MapLayerOptions:
    colour = _colour_column(panel, query)
    style: dict[str, object] = {
        "color": {"field": colour, "fixed": COLOURS["green"]} if colour else {"fixed": COLOURS["blue"]},
        "opacity": 0.8,
        "rotation": {"fixed": 0, "max": 360, "min": -360, "mode": "mod"},
        "size": {"fixed": 6 if len(panel.queries) == 1 or index else 5, "max": 15, "min": 2},
        "symbol": {"fixed": "img/icons/marker/circle.svg", "mode": "fixed"},
        "symbolAlign": {"horizontal": "center", "vertical": "center"},
    }
    return common.MapLayerOptions(
        type_val="markers",
        name=query.name or panel.title.of(language),
        config={"showLegend": panel.legend, "style": style},
        location=common.FrameGeometrySource(
            mode=common.FrameGeometrySourceMode.COORDS, latitude=LATITUDE, longitude=LONGITUDE
        ),
        filter_data={"id": "byRefId", "options": ref_id(index)},
        tooltip=True,
    )


def _colour_column(panel: Panel, query: Query) -> str | None:
    labels = [column.label for column in query.columns]
    looks = [look for look in panel.columns if look.column in labels and _has_colours(look)]
    if looks:
        return looks[0].column
    if panel.thresholds is not None:
        return next((label for label in labels if label not in (LATITUDE, LONGITUDE)), None)
    return None


def _has_colours(look: ColumnLook) -> bool:
    return look.thresholds is not None or any(one.colour for one in look.values)
