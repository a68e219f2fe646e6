"""Strangers in the state database: what is learnt of them adds up, and whoever publishes cannot fill the disk."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from gateway.registry import candidates
from gateway.registry.candidates import CandidateNote

START = 1_790_000_000_000
DOOR = CandidateNote(bridge="z2m", address="0x00158d0001a2b3c4", profile="zigbee2mqtt", heard=False, at_ms=START)


def note(database: sa.Engine, *rows: CandidateNote, now_ms: int = START + 10_000) -> None:
    with database.begin() as connection:
        candidates.note(connection, rows, now_ms)


def all_of(database: sa.Engine, *, dismissed: bool = False) -> list[candidates.Candidate]:
    with database.begin() as connection:
        return candidates.waiting(connection, dismissed=dismissed)


def test_what_is_learnt_adds_up(database: sa.Engine) -> None:
    described = dataclasses.replace(DOOR, kind="contact", vendor="Aqara", model="MCCGQ11LM", name="door")
    spoke = dataclasses.replace(
        DOOR, heard=True, source="zigbee2mqtt/door", payload=b'{"contact":false}', at_ms=START + 5000
    )
    note(database, described, spoke, dataclasses.replace(spoke, at_ms=START + 4000, payload=b""))
    (found,) = all_of(database)
    assert found == candidates.Candidate(
        bridge="z2m",
        address="0x00158d0001a2b3c4",
        profile="zigbee2mqtt",
        kind="contact",
        name="door",
        vendor="Aqara",
        model="MCCGQ11LM",
        firmware="",
        first_ms=START,
        last_ms=START + 5000,
        heard=2,
        last_source="zigbee2mqtt/door",
        last_payload='{"contact":false}',
        dismissed_at_ms=None,
    )


def test_a_dismissed_one_stays_away_however_often_it_speaks(database: sa.Engine) -> None:
    note(database, DOOR)
    with database.begin() as connection:
        assert candidates.dismiss(connection, "z2m", DOOR.address, START + 1)
        assert not candidates.dismiss(connection, "z2m", "nobody", START + 1)
    note(database, dataclasses.replace(DOOR, heard=True))
    assert all_of(database) == []
    assert [one.heard for one in all_of(database, dismissed=True)] == [1]


def test_the_table_is_bounded_and_what_spoke_outlives_what_was_described(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MAX", 3)
    note(database, dataclasses.replace(DOOR, address="spoke", heard=True, at_ms=START))
    note(database, dataclasses.replace(DOOR, address="dismissed", at_ms=START + 1))
    with database.begin() as connection:
        candidates.dismiss(connection, "z2m", "dismissed", START)
    note(database, *(dataclasses.replace(DOOR, address=f"described-{n}", at_ms=START + 2 + n) for n in range(3)))
    assert [one.address for one in all_of(database, dismissed=True)] == ["described-2", "dismissed", "spoke"]
    note(
        database, *(dataclasses.replace(DOOR, address=f"spoke-{n}", heard=True, at_ms=START + 9 + n) for n in range(3))
    )
    assert [one.address for one in all_of(database, dismissed=True)] == ["spoke-2", "spoke-1", "spoke-0"]


def test_bytes_of_any_kind_are_kept_readable(database: sa.Engine) -> None:
    rows = {
        "text": (b'{"zh": "\xe9\x97\xa8"}\r\n', '{"zh": "门"}\r\n'),
        "binary": (b"\x00\xff\x10", "hex 00ff10"),
        "nul": (b"a\x00b", "hex 610062"),
        "nothing": (b"", ""),
        "cut": ("门门门".encode()[:-1], "门门"),
        "long": (b"x" * 9000, "x" * candidates.PAYLOAD_CHARS),
        "long-binary": (b"\xff" * 9000, "hex " + "ff" * (candidates.PAYLOAD_CHARS // 2 - 2)),
    }
    note(database, *(dataclasses.replace(DOOR, address=name, payload=data) for name, (data, _) in rows.items()))
    assert {one.address: one.last_payload for one in all_of(database)} == {
        name: text for name, (_, text) in rows.items()
    }
    note(database, dataclasses.replace(DOOR, address="a\x00b\x1b[2J", name="\x00"))
    assert all_of(database)[0].address in {"a�b�[2J", *rows}


def test_a_time_from_before_the_clock_was_set_back_does_not_stay(database: sa.Engine) -> None:
    note(database, dataclasses.replace(DOOR, at_ms=START + 3_600_000), now_ms=START + 3_600_000)
    note(database, dataclasses.replace(DOOR, at_ms=START + 20), now_ms=START + 20)
    assert [one.last_ms for one in all_of(database)] == [START + 20]
