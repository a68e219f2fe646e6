"""``python -m bench``: every figure of the gateway, beside the bare broker in the same run."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import backtest, boards, catchup, decode, fleet, machine, path, quake, short, store, throughput, wall
from bench.broker_roundtrip import BrokerDidNotAnswer
from bench.flood import FloodError
from bench.month import Density
from bench.report import Figures, print_figures, write_markdown
from gateway.demo.stage import StageError


class What(StrEnum):
    """What can be measured."""

    PATH = "path"
    THROUGHPUT = "throughput"
    JOURNAL = "journal"
    RULES = "rules"
    BACKTEST = "backtest"
    STORE = "store"
    DECODE = "decode"
    FLEET = "fleet"
    QUAKE = "quake"
    WALL = "wall"
    CATCHUP = "catchup"
    BOARDS = "boards"
    ALL = "all"


def main(
    what: Annotated[
        What,
        typer.Argument(
            help="path: key to lamp and told; throughput: readings/s; quake: 1,000 cases; fleet: 10,000 devices; "
            "wall: key to a case in the telemetry store; catchup: an hour without the store; "
            "boards: every query of every board."
        ),
    ] = What.ALL,
    quick: Annotated[bool, typer.Option("--quick", help="A few of each: that it works, not how fast it is.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Also write the tables to this file.")] = None,
    flood_rate: Annotated[float, typer.Option(min=1, help="Readings a second offered in the flood.")] = 10_000,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the store was away, in catchup.")] = 60,
    thin: Annotated[int, typer.Option(min=1, help="So many times fewer readings in the month of boards.")] = 1,
) -> None:
    """Measure on this machine. Nothing else should run on it meanwhile: a busy machine makes every figure worse."""
    console = Console(width=None if Console().is_terminal else 150)
    found_on = machine.describe(Path.cwd())
    for name, value in found_on:
        console.print(f"{name:>20}  {value}", highlight=False)
    tables: list[Figures] = []
    progress = Console(stderr=True)
    try:
        with progress.status("…") as status:
            tell = status.update if progress.is_terminal else progress.print
            for part, measure in _parts(quick, flood_rate, minutes, thin).items():
                if what in (What.ALL, part):
                    tables += measure(partial(_say, tell, part))
    except (StageError, BrokerDidNotAnswer, FloodError, fleet.FleetError, catchup.CatchUpError) as error:
        console.print(f"[bold red]the measurement stopped:[/] {error}")
        raise typer.Exit(1) from None
    print_figures(console, tables)
    if markdown is not None:
        write_markdown(markdown, found_on, tables)
        console.print(f"written to {markdown}")


def _say(tell: Callable[[str], None], part: What, text: str) -> None:
    tell(f"{part}: {text}")


def _parts(
    quick: bool, flood_rate: float, minutes: float, thin: int
) -> dict[What, Callable[[path.Say], list[Figures]]]:
    size = path.Size(**{**(vars(path.QUICK) if quick else {}), "flood_rate": flood_rate})
    return {
        What.PATH: lambda say: path.run(size, say),
        What.THROUGHPUT: lambda say: throughput.run(throughput.QUICK if quick else throughput.Steps(), say),
        What.WALL: lambda say: wall.run(wall.QUICK if quick else wall.Size(), say),
        What.CATCHUP: lambda say: catchup.run(catchup.QUICK if quick else catchup.Size(minutes=minutes), say),
        What.BOARDS: lambda say: boards.run(boards.QUICK if quick else boards.Size(Density().thinned(thin)), say),
        What.QUAKE: lambda say: quake.run(quake.QUICK if quick else quake.Size(), say),
        What.FLEET: lambda say: fleet.run(fleet.QUICK if quick else fleet.Size(), say),
        What.JOURNAL: lambda say: short.journal_figures(0.3 if quick else 2.0, say),
        What.RULES: lambda say: short.rule_figures(0.3 if quick else 2.0, say),
        What.BACKTEST: lambda say: backtest.figures(1_000 if quick else 10_000, 20_000 if quick else 100_000, say),
        What.DECODE: lambda say: decode.figures(0.05 if quick else 0.5, say),
        What.STORE: lambda say: [store.figures(20_000 if quick else 100_000, 1 if quick else 3, say)],
    }


if __name__ == "__main__":
    typer.run(main)
