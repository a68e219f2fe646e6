"""The small community with everything: each home has every kind of device that a home has, each street the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.homes import RUNGS, community

AT_HOME = (
    ("presence", "卧室人体雷达 bedroom radar"),
    ("glass_break", "玻璃破碎 glass"),
    ("motion", "客厅红外 living room motion"),
    ("medication_box", "药盒 medication box"),
    ("heat", "厨房温感 kitchen heat"),
    ("gas", "厨房燃气 kitchen gas"),
    ("co", "一氧化碳 carbon monoxide"),
    ("leak", "卫生间水浸 bathroom leak"),
    ("valve", "厨房燃气阀 kitchen gas valve"),
    ("siren", "警号 siren"),
    ("plug", "客厅插座 living room socket"),
)
OUTSIDE = ("environment", "meter", "sign", "waste_bin", "tracker", "concentrator", "modem", "monitor", "gateway")


def quarter(homes: int = 2, *, rungs: Sequence[dict[str, Any]] = RUNGS, quick: bool = True) -> dict[str, Any]:
    """``sos-1`` … of `homes.community`, and ``presence-1 gas-1 valve-1 …`` at home, ``sign-1 …`` outside.

    ``quick``: congestion is one after three seconds, not five minutes.
    """
    document = community(homes, rungs=rungs)
    document["devices"] += [
        {"id": f"{kind}-{n}", "kind": kind, "name": name, "place": f"door-{n}", "resident": f"r-{n}"}
        for n in range(1, homes + 1)
        for kind, name in AT_HOME
    ]
    document["devices"] += [{"id": f"{kind}-1", "kind": kind, "place": "b-1"} for kind in OUTSIDE]
    if quick:
        document["rules"] = [
            {**rule, "for_s": 3} if rule["use"] == "traffic-congestion" else rule for rule in document["rules"]
        ]
    return document
