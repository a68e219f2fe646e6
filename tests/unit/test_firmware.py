"""The firmware of a fleet: counted by kind, model and version, and what is behind is seen."""

from __future__ import annotations

import pytest

from gateway.registry.firmware import Running, inventory


def running(firmware: str, device: str = "d", model: str = "AJ-1", kind: str = "smoke") -> Running:
    return Running(device=device, kind=kind, model=model, firmware=firmware)


def test_versions_are_counted_and_the_older_ones_marked() -> None:
    fleet = [running("1.9", "a"), running("1.10", "b"), running("1.10", "c"), running("", "d"), running("3", "e", "X")]
    assert [(v.model, v.firmware, v.outdated, v.devices) for v in inventory(fleet)] == [
        ("AJ-1", "1.10", False, ("b", "c")),
        ("AJ-1", "1.9", True, ("a",)),
        ("AJ-1", "", False, ("d",)),
        ("X", "3", False, ("e",)),
    ]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.9", "1.10"),
        ("2.0-rc1", "2.0"),
        ("2.0-beta2", "2.0-rc1"),
        ("v1.2.3", "v1.2.4"),
        ("20230101", "20240101"),
        ("1.2", "1.2.1"),
        ("0x0a", "0x0b"),
    ],
)
def test_the_order_of_versions(older: str, newer: str) -> None:
    found = inventory([running(older, "a"), running(newer, "b")])
    assert [(v.firmware, v.outdated) for v in found] == [(newer, False), (older, True)]


def test_without_a_model_nothing_can_be_compared() -> None:
    assert [v.outdated for v in inventory([running("1", "a", ""), running("2", "b", "")])] == [False, False]
