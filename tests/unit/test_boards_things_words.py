"""Boards about things say what the gateway says: types of alarms, levels of roads, states of poles, what is full."""

from __future__ import annotations

from dashboards.boards import BOARDS
from dashboards.boards.fire_gas import DETECTORS
from dashboards.boards.poles import POLES, SEEN, STATES
from dashboards.boards.things import TROUBLES, TYPES
from dashboards.boards.traffic import LEVELS, TRAFFIC
from dashboards.boards.waste import FILL, WASTE
from devices.kinds import KINDS
from devices.traffic import FROM_KMH, Level
from gateway.alarms import ALARM_TYPES
from gateway.chronicle import places, street
from gateway.chronicle.commands import SHOWN


def test_types_of_alarms() -> None:
    assert {key: tuple(said) for key, said in TYPES.items()} == {
        key: (ALARM_TYPES[key].zh, ALARM_TYPES[key].en) for key in TYPES
    }
    assert set(TROUBLES) <= TYPES.keys()


def test_levels_of_roads_are_called_as_signs_show_them() -> None:
    words = KINDS["sign"].commands["show"].args["level"][1:]
    assert [tuple(one.text) for one in LEVELS] == [tuple(SHOWN[word]) for word in words]
    assert [one.value for one in LEVELS] == list(Level)
    (meaning,) = (panel for panel in TRAFFIC.panels() if panel.key == "meaning")
    assert meaning.text is not None
    for speeds in FROM_KMH.values():
        assert all(f"{speed:g}" in said for speed in speeds for said in meaning.text)


def test_all_that_a_sign_can_show_has_words() -> None:
    args = KINDS["sign"].commands["show"].args
    assert SHOWN.keys() == {*args["level"], *args["pictogram"]} - {"none"}


def test_states_of_poles() -> None:
    assert [step.at for step in STATES.steps] == [None, places.DARK, places.OPEN]
    (table,) = (panel for panel in POLES.panels() if panel.key == "all")
    (look,) = (look for look in table.columns if look.column == "state")
    assert [one.value for one in look.values] == [places.WELL, places.DARK, places.OPEN]


def test_how_full_is_full_and_how_far_ahead_is_said() -> None:
    assert FILL.steps[-1].at == street.FULL_AT
    (table,) = (panel for panel in WASTE.panels() if panel.key == "next")
    (look,) = (look for look in table.columns if look.column == "full_in_h")
    assert [one.value for one in look.values] == [0, street.AHEAD_MAX_H]


def test_events_that_are_counted_exist() -> None:
    assert set(SEEN) <= KINDS["camera"].events.keys()
    for kind in DETECTORS[:-1]:
        assert {"self_test", "fault"} <= KINDS[kind].events.keys()


def test_every_panel_says_what_to_do() -> None:
    """A description is more than the title once more: it says what it is, and what follows from it."""
    for board in BOARDS:
        for panel in board.panels():
            assert len(panel.description.zh) >= 15 and len(panel.description.en) >= 40, f"{board.uid}/{panel.key}"
