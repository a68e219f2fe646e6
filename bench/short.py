"""(c) The parts by themselves, in short form; each has a benchmark of its own with more to say."""

from __future__ import annotations

from bench import journal, rules
from bench.path import Say
from bench.report import Figures
from devices.observation import Lane
from gateway.rules.library import library_rules


def journal_figures(seconds: float, say: Say) -> list[Figures]:
    figures = Figures(
        "(c) The journal by itself: submit → on disk",
        ("messages at once", "lane", "rows/s", "p50 ms", "p99 ms", "bare file rows/s"),
        notes=["bare file: the same bytes, one write and one fdatasync per batch; more: `python -m bench.journal`"],
    )
    for lane, batch in ((Lane.URGENT, 1), (Lane.URGENT, 100), (Lane.ROUTINE, 100), (Lane.ROUTINE, 1000)):
        say(f"journal, {lane}, {batch} at once")
        limit = journal.bare(batch, seconds / 2)
        rate, median, p99 = journal.run(lane, batch, seconds)
        figures.add(f"{batch:,}", lane.value, f"{rate:,.0f}", f"{median:.2f}", f"{p99:.2f}", f"{limit:,.0f}")
    return [figures]


def rule_figures(seconds: float, say: Say) -> list[Figures]:
    library = list(library_rules().values())
    figures = Figures(
        f"(c) The rules by themselves: the library's {len(library)} rules, 1,000 devices, per processor second",
        ("history", "observations/s"),
        notes=["with the changed states encoded to be saved; more: `python -m bench.rules`"],
    )
    for name, worst in (("all healthy", False), ("everybody falls ill and recovers all the time", True)):
        say(f"rules, {name}")
        figures.add(name, f"{rules.rate(library, rules.devices_of(1_000), seconds, worst=worst)[0]:,.0f}")
    return [figures]
