"""How large a community's telemetry is: series of every measurement, values a day, and what a server keeps on disk.

``python -m gateway.registry.census`` writes the table of docs/telemetry.md. Everything is counted from the registry and
from `devices.measurements`; what is assumed beside that are the constants below. Series are the most there can be:
every device says everything its kind can say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devices.kinds import KINDS
from devices.measurements import HAPPENINGS
from devices.telemetry import Measurement
from gateway.alarms import ALARM_TYPES
from gateway.registry.directory import CommunityDirectory

REPORTS: Final = 3
"""A device reports so often in its supervision interval, so that two may be lost."""
LEADS: Final = {"ecg": 12}
STRIPS_A_DAY: Final = 4
"""Of each monitor; a strip is ten seconds."""
EVENTS_A_DAY: Final = 20
"""Of each device; doors and motion many, smoke none."""
CASES_A_DAY: Final = 0.02
"""Of each device: one in fifty days."""
ALARMS_A_CASE: Final = 2
MESSAGES_A_CASE: Final = 4
PARTS: Final = 20
"""Of a gateway, at most."""
KEPT_DAYS: Final = 90
"""Of readings as they came, by default."""
BYTES_A_VALUE: Final = 4.0
"""InfluxDB, compacted (3.6 measured: vital signs, once a minute, times to the millisecond)."""
FUNCTIONS: Final = 5
"""A roll-up keeps so many values of each metric."""
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement, or all kinds of devices together."""

    name: str
    series: int
    values_a_day: int


@dataclass(frozen=True, slots=True)
class Census:
    """All of it."""

    devices: int
    metrics: int
    """Numbers that are reported: of every device each."""
    rows: Sequence[Row]

    @property
    def series(self) -> int:
        """Series in all."""
        return sum(row.series for row in self.rows)

    @property
    def values_a_day(self) -> int:
        """Values a day in all, as they come."""
        return sum(row.values_a_day for row in self.rows)

    @property
    def raw_mb_a_day(self) -> float:
        """What a day of values as they come takes, in MB."""
        return self.values_a_day * BYTES_A_VALUE / 1e6

    @property
    def minute_mb_a_day(self) -> float:
        """Readings that come less often than once a minute make as many minutes as there are readings."""
        readings = self.rows[0].values_a_day
        return min(readings, self.metrics * 1440) * FUNCTIONS * BYTES_A_VALUE / 1e6

    @property
    def hour_mb_a_day(self) -> float:
        """As `minute_mb_a_day`, for one value of each function an hour."""
        readings = self.rows[0].values_a_day
        return min(readings, self.metrics * 24) * FUNCTIONS * BYTES_A_VALUE / 1e6

    def kept_mb(self, raw_days: int = KEPT_DAYS, minute_days: int = 180, hour_days: int = 365) -> float:
        """When all has been kept for so long."""
        return self.raw_mb_a_day * raw_days + self.minute_mb_a_day * minute_days + self.hour_mb_a_day * hour_days


def census(directory: CommunityDirectory, *, gateways: int = 1, times: float = 1.0) -> Census:
    """Of the community as it is, or as it would be with ``times`` as many devices."""
    kinds = Counter[str]()
    pairs: set[tuple[str, str]] = set()
    reports: Counter[str] = Counter()
    for device in directory.devices.values():
        kinds[device.kind] += 1
        pairs.add((directory.areas.of_device(device.id).grid, device.kind))
        reports[device.kind] += _DAY_S * REPORTS // directory.supervision_s(device.id)
    community = directory.community
    buildings = {directory.areas.of_place(place.id).building for place in community.places}
    devices = round(sum(kinds.values()) * times)
    cases = round(devices * CASES_A_DAY)
    monitored = {d.resident for d in directory.devices.values() if d.kind == "vitals_monitor" and d.resident}

    def each(of: Mapping[str, int], count: dict[str, int]) -> int:
        return round(sum(of[kind] * count[kind] for kind in of) * times)

    metrics = {key: len(kind.metrics) for key, kind in KINDS.items()}
    events = {key: len(kind.events) for key, kind in KINDS.items()}
    strips = {key: sum(LEADS.get(wave, 1) for wave in kind.waveforms) for key, kind in KINDS.items()}
    samples = {
        key: round(sum(10 * wave.rate_hz_max for wave in kind.waveforms.values())) for key, kind in KINDS.items()
    }
    counts = {
        "community": 1,
        "building": len(buildings),
        "grid": len({grid for grid, _ in pairs}),
        "kind": len(kinds),
        "place": len(community.places) + 1,
        "resident": round(len(community.residents) * times),
        "device": devices,
        "type": len(ALARM_TYPES) + len(directory.work),
        "rule": len(community.rules),
        "command": max(len(kind.commands) for kind in KINDS.values()),
        "channel": len(community.channels),
        "result": 3,
        "urgent": 2,
        "drill": 2,
        "gateway": gateways,
        "part": PARTS,
        "lane": 2,
        "metric": max((len(resident.limits) for resident in community.residents), default=0),
        "score": 1,
    }
    exact = {
        "fleet": len(pairs),
        "fleet_grid": len({grid for grid, _ in pairs}),
        "limit": round(sum(len(resident.limits) for resident in community.residents) * times),
        "score": round(len(monitored) * times),
        "road": round(kinds["traffic_counter"] * times),
        "bin": round(kinds["waste_bin"] * times),
    }
    """Where not every combination of tags can be."""
    a_day = {
        "alarm": cases * ALARMS_A_CASE,
        "message": cases * MESSAGES_A_CASE,
        "fleet": len(pairs) * 288,
        "fleet_grid": len({grid for grid, _ in pairs}) * 288,
        "place": counts["place"],
        "part": gateways * PARTS * 1440,
        "lane": gateways * 2 * 8640,
        "limit": exact["limit"],
        "score": round(reports["vitals_monitor"] * times),
        "road": round(reports["traffic_counter"] * times),
        "bin": round(reports["waste_bin"] * times),
    }
    """Points; one a case of what is not here."""

    def happening(one: Measurement) -> Row:
        points = a_day.get(one.key, cases)
        every = exact.get(one.key, math.prod(counts[tag.key] for tag in one.own_tags))
        return Row(one.key, min(every, points * KEPT_DAYS), points * len(one.fields))  # no series without a point

    rows = [
        Row("readings", devices, each(reports, metrics)),
        Row("event", each(kinds, events), devices * EVENTS_A_DAY),
        Row("waveform", each(kinds, strips), each(kinds, samples) * STRIPS_A_DAY),
        *map(happening, HAPPENINGS.values()),
    ]
    return Census(devices, each(kinds, metrics), rows)


EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "tuanjiehu" / "community.yaml"
PAGE: Final = Path(__file__).parents[2] / "docs" / "telemetry.md"
BEGIN: Final = "<!-- generated by `python -m gateway.registry.census`: do not edit below -->\n"
END: Final = "<!-- end of the generated part -->\n"


def table(directory: CommunityDirectory) -> str:
    """Markdown: the example as it is, and as it would be were every home equipped like those that are."""
    homes = {place.id for place in directory.community.places} - {place.parent for place in directory.community.places}
    doors = [place for place in directory.community.places if place.id in homes and place.position is None]
    equipped = {d.place for d in directory.devices.values() if d.place in homes and d.resident}
    times = len(doors) / max(1, len(equipped))
    now, all_homes = census(directory), census(directory, times=times)
    head = (
        f"`examples/tuanjiehu`: {len(doors):,} homes, of which {len(equipped):,} are equipped"
        f" ({now.devices:,} devices); beside it all homes equipped like these ({all_homes.devices:,} devices).\n\n"
    )
    lines = [
        "| measurement | series, at most | values a day | all homes: series | values a day |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {'readings' if one.name == 'readings' else f'`{one.name}`'} | {one.series:,} | {one.values_a_day:,}"
        f" | {other.series:,} | {other.values_a_day:,} |"
        for one, other in zip(now.rows, all_homes.rows, strict=True)
    ]
    lines.append(
        f"| **all** | **{now.series:,}** | **{now.values_a_day:,}** | **{all_homes.series:,}**"
        f" | **{all_homes.values_a_day:,}** |"
    )
    sizes = [
        f"| disk, {name} | | {one:,.0f} MB | | {other:,.0f} MB |"
        for name, one, other in (
            ("raw, a day", now.raw_mb_a_day, all_homes.raw_mb_a_day),
            ("by the minute, a day", now.minute_mb_a_day, all_homes.minute_mb_a_day),
            ("by the hour, a day", now.hour_mb_a_day, all_homes.hour_mb_a_day),
            ("90 days raw, 180 by the minute, a year by the hour", now.kept_mb(), all_homes.kept_mb()),
        )
    ]
    return head + "\n".join([*lines, *sizes]) + "\n"


def with_table(page: str, made: str) -> str:
    """The page with the table put in its place. Raises ValueError where it has none."""
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed:
        raise ValueError(f"{PAGE.name} has no place for the table: {BEGIN.strip()} … {END.strip()}")
    return before + BEGIN + made + END + after


def main() -> None:
    """Bring the table of the documentation up to date."""
    from gateway.registry.load import load_community

    made = table(CommunityDirectory(load_community(EXAMPLE), "gateway"))
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
