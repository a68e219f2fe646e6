"""Boards know nothing of the gateway, and say what it says: words and codes that stand in both places are the same."""

from __future__ import annotations

from dashboards.boards.common import CAUSES, EMERGENCY, NOTICE, SERVICE, SEVERITIES, STAGES, URGENT
from dashboards.boards.elder_care import ELDER_CARE
from dashboards.boards.gateway import GATEWAY
from dashboards.boards.response import RESPONSE
from dashboards.boards.wall import WALL
from gateway.alarms import Severity
from gateway.api import words
from gateway.cases import causes, wording
from gateway.chronicle.cases import level
from gateway.chronicle.gauges import LEVELS


def test_severities() -> None:
    assert {one.value: (one.text.zh, one.text.en) for one in SEVERITIES} == {
        level(severity): tuple(said) for severity, said in words.SEVERITIES.items()
    }
    assert [level(one.value) for one in Severity] == [EMERGENCY, URGENT, SERVICE, NOTICE]


def test_stages() -> None:
    assert {one.value: tuple(one.text) for one in STAGES} == {key: tuple(said) for key, said in wording.STAGES.items()}


def test_causes_of_false_alarms() -> None:
    false = {key: said for key, said in causes.CAUSES.items() if key != "duplicate"}
    assert {key: tuple(said) for key, said in CAUSES.items()} == false


def test_levels_of_parts() -> None:
    (table,) = (panel for panel in GATEWAY.panels() if panel.key == "parts")
    (look,) = (look for look in table.columns if look.column == "level")
    assert [one.value for one in look.values] == sorted(LEVELS.values())


def test_health_is_for_the_entitled_alone() -> None:
    assert ELDER_CARE.private and not (WALL.private or RESPONSE.private or GATEWAY.private)
    private = {query.measurement for panel in ELDER_CARE.panels() for query in panel.queries}
    shown = {query.measurement for board in (WALL, RESPONSE) for panel in board.panels() for query in panel.queries}
    assert not shown & (private & {"care", "score", "limit", "vitals_monitor"})
