"""A board as Grafana's dashboard JSON in one language: panels in their places, variables, annotations, links."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as sdk

from dashboards.board import Annotation, Board, Variable
from dashboards.grafana import looks, panels
from dashboards.grafana.target import AnnotationQL, datasource
from dashboards.influxql import DAY_VARIABLE, day_offset, grafana
from dashboards.text import LANGUAGES, Language, Text

WIDTH: Final = 24
GATEWAY_URL: Final = "http://localhost:8120"
"""Where the gateway's own pages are, until whoever sets Grafana up says otherwise."""
DAY_OFFSET_MS: Final = -8 * 3_600_000
"""Days of China begin at 16:00 UTC, all year."""
LABEL: Final = r"/^(?<text>.+) \((?<value>[^()]+)\)$/"
"""``name (id)`` of a place: its name is shown, its id is meant."""
REFRESHES: Final = ("1s", "5s", "10s", "30s", "1m", "5m", "15m", "1h")
ALL: Final = Text("全部", "All")
_URL_TITLE: Final = Text("网关地址", "Gateway's address")
_DAY_TITLE: Final = Text("每天从何时开始", "When days begin")


def files(boards: tuple[Board, ...]) -> dict[str, str]:
    """Every board in every language: ``zh/anju-wall.json`` and its text. Health data has directories of its own
    (``zh-care``), so that it has folders of its own in Grafana, with permissions of their own."""
    by_uid = {board.uid: board for board in boards}
    return {
        f"{language}{'-care' if board.private else ''}/{board.uid}.json": text(board, by_uid, language)
        for language in LANGUAGES
        for board in boards
    }


def text(board: Board, boards: Mapping[str, Board], language: Language) -> str:
    """The JSON as it is committed: the same board always gives the same bytes."""
    built = build(board, boards, language)
    return json.dumps(built, cls=JSONEncoder, ensure_ascii=False, indent=1) + "\n"


def build(board: Board, boards: Mapping[str, Board], language: Language) -> sdk.Dashboard:
    """The dashboard. Raises LookupError where a link leads nowhere."""
    return sdk.Dashboard(
        uid=f"{board.uid}-{language}",
        title=board.title.of(language),
        description=board.description.of(language),
        tags=["anju", language, *(tag for tag in board.tags if tag != "anju")],
        timezone="browser",
        editable=True,
        graph_tooltip=sdk.DashboardCursorSync.CROSSHAIR,
        time=sdk.DashboardDashboardTime(from_val=f"now-{board.range}", to="now"),
        timepicker=sdk.TimePickerConfig(refresh_intervals=list(REFRESHES)),
        refresh=board.refresh,
        panels=_placed(board, boards, language),
        templating=sdk.DashboardDashboardTemplating(
            list_val=[*(_variable(one, language) for one in board.variables), *_constants(language)]
        ),
        annotations=sdk.AnnotationContainer(list_val=[_annotation(one, language) for one in board.annotations]),
        links=[looks.plain_link(link, board, boards, language) for link in board.links],
    )


def _placed(board: Board, boards: Mapping[str, Board], language: Language) -> list[sdk.Panel | sdk.RowPanel]:
    """Panels from left to right, a new line where the next does not fit; each row of the board begins a line."""
    found: list[sdk.Panel | sdk.RowPanel] = []
    y = 0
    for number, row in enumerate(board.rows):
        if row.title is not None:
            place = sdk.GridPos(h=1, w=WIDTH, x=0, y=y)
            row_id = panels.panel_id(f"row {number}")
            found.append(sdk.RowPanel(title=row.title.of(language), id_val=row_id, grid_pos=place, panels=[]))
            y += 1
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            built = panels.build(panel, board, boards, language)
            built.grid_pos = sdk.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            found.append(built)
            x += panel.width
            tallest = max(tallest, panel.height)
        y += tallest
    return found


def _variable(variable: Variable, language: Language) -> sdk.VariableModel:
    asked = grafana(variable.asks(), language)
    # Where one must be chosen nobody sees all at once, not even at first: Grafana takes the first one.
    everything = sdk.VariableOption(selected=True, text=[ALL.of(language)], value=["$__all"])
    return sdk.VariableModel(
        type_val=sdk.VariableType.QUERY,
        name=variable.name,
        label=variable.title.of(language),
        hide=sdk.VariableHide.DONT_HIDE,
        datasource=datasource(),
        query={"query": asked, "refId": "InfluxVariableQueryEditor-VariableQuery"},
        definition=asked,
        current=everything if variable.several else None,
        multi=variable.several,
        include_all=variable.several,
        all_value=".*" if variable.several else None,
        allow_custom_value=False,
        refresh=sdk.VariableRefresh.ON_DASHBOARD_LOAD,
        regex=LABEL if variable.role else "",
        sort=sdk.VariableSort.NATURAL_ASC,
        options=[],
    )


def _constants(language: Language) -> list[sdk.VariableModel]:
    """What a site sets once: hidden from those who look."""
    values = (
        (looks.URL_VARIABLE, _URL_TITLE, GATEWAY_URL),
        (DAY_VARIABLE, _DAY_TITLE, day_offset(DAY_OFFSET_MS)),
    )
    return [
        sdk.VariableModel(
            type_val=sdk.VariableType.CONSTANT,
            name=name,
            label=title.of(language),
            hide=sdk.VariableHide.HIDE_VARIABLE,
            skip_url_sync=True,
            query=value,
            current=sdk.VariableOption(selected=True, text=value, value=value),
            options=[sdk.VariableOption(selected=True, text=value, value=value)],
        )
        for name, title, value in values
    ]


def _annotation(annotation: Annotation, language: Language) -> sdk.AnnotationQuery:
    return sdk.AnnotationQuery(
        name=annotation.title.of(language),
        datasource=datasource(),
        enable=True,
        icon_color=looks.COLOURS[annotation.colour],
        target=AnnotationQL(annotation, language),
    )
