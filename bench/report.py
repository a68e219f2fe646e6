"""Tables of figures, for the terminal and as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass
class Figures:
    """One table. The first column is text, the others are right-aligned."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        self.rows.append(cells)


@dataclass(frozen=True)
class Latencies:
    """A set of measured times in seconds, with those that never came."""

    seconds: Sequence[float]
    missing: int = 0

    def cells(self) -> tuple[str, str, str, str]:
        """Count, p50, p99 and the longest, the times in milliseconds. Under 100 figures p99 is the longest."""
        count = f"{len(self.seconds)}" + (f" (+{self.missing} never)" if self.missing else "")
        if not self.seconds:
            return count, "–", "–", "–"
        ordered = sorted(self.seconds)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        return count, milliseconds(statistics.median(ordered)), milliseconds(p99), milliseconds(ordered[-1])


def milliseconds(seconds: float) -> str:
    ms = seconds * 1000
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


def print_figures(console: Console, tables: Sequence[Figures]) -> None:
    for figures in tables:
        table = Table(title=figures.title, title_justify="left", title_style="bold")
        for number, column in enumerate(figures.columns):
            table.add_column(column, justify="left" if number == 0 else "right")
        for row in figures.rows:
            table.add_row(*row)
        console.print(table)
        for note in figures.notes:
            console.print(f"  {note}", style="dim", highlight=False)


def markdown(machine: Sequence[tuple[str, str]], tables: Sequence[Figures]) -> str:
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in machine), ""]
    for figures in tables:
        lines += [f"**{figures.title}**", "", f"| {' | '.join(figures.columns)} |"]
        lines.append("|---|" + "---:|" * (len(figures.columns) - 1))
        lines += [f"| {' | '.join(row)} |" for row in figures.rows]
        lines += ["", *(f"- {note}" for note in figures.notes), ""]
    return "\n".join(lines)


def write_markdown(path: Path, machine: Sequence[tuple[str, str]], tables: Sequence[Figures]) -> None:
    path.write_text(markdown(machine, tables), encoding="utf-8")
