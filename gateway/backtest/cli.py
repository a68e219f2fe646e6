"""``anju backtest``: try rules on history before they rule."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from gateway.backtest.inputs import (
    BAD_INPUT,
    Inputs,
    check_expectations,
    first_notes,
    known_devices,
    owner_of,
    read_span,
    read_tried,
)
from gateway.backtest.job import Backtest, Really
from gateway.backtest.model import Progress, Result
from gateway.backtest.order import kinds_in, really_of
from gateway.backtest.plan import CASE_LASTS_S, Plan, in_force, usual_outage_ms, zone_of
from gateway.backtest.show import show
from gateway.backtest.sources.csv_source import CsvHistory
from gateway.backtest.sources.history import History, HistoryError
from gateway.backtest.sources.journal_source import JournalHistory
from gateway.backtest.sources.lines_source import LinesHistory
from gateway.backtest.span import shown
from gateway.clock import SystemClock
from gateway.rules.errors import RuleError
from gateway.terminal import DataDirOption, SettingsOption, err, fail, read_settings

USUAL_SPAN = "7d"
WARM_UP = "1d"
STAGES = {"reading": "读取 reading", "deciding": "判断 deciding", "done": "完成 done"}


def backtest(
    rule: Annotated[
        list[Path] | None, typer.Option(help="规则文件 · A file with a rule, a list of rules, or rules: (YAML).")
    ] = None,
    use: Annotated[list[str] | None, typer.Option(help="规则库 · A rule of the library, by its id.")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="起 · 2026-10-01, 2026-10-01T08:30 (local), or 7d ago.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="止 · The same; a date alone until its end.")] = None,
    warm_up: Annotated[
        str, typer.Option(help="预热 · So much before --from is read for rules to remember; alarms then do not count.")
    ] = WARM_UP,
    journal: Annotated[
        Path | None, typer.Option(help="日志 · A gateway's data directory: what its journal holds (the usual source).")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="CSV: time,device,kind,event and metrics.")] = None,
    line_protocol: Annotated[Path | None, typer.Option(help="A file of InfluxDB line protocol.")] = None,
    store: Annotated[bool, typer.Option("--store", help="遥测库 · The telemetry store of the settings.")] = False,
    community: Annotated[
        Path | None, typer.Option(help="社区 · Who and where, from this file and not from the registry.")
    ] = None,
    compare: Annotated[bool, typer.Option(help="与现行规则比较 · Compare with the rules in force.")] = True,
    device: Annotated[list[str] | None, typer.Option(help="Only this device (several times for more).")] = None,
    fail_on: Annotated[
        list[str] | None, typer.Option(help='Exit with 1 where it holds, such as "alarms_per_day>5".')
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Wrong rows of a file are no reason to exit with 2.")
    ] = False,
    case_lasts: Annotated[
        int, typer.Option(min=60, help="A press ends with its case, which is taken to last so many seconds.")
    ] = CASE_LASTS_S,
    gateway_off: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Nobody heard for so many seconds: the gateway did not run. 0: it always ran. "
            "Usually twice the shortest supervision interval, at least 600.",
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    shown_alarms: Annotated[int, typer.Option("--show", min=0, help="At most so many alarms of each list.")] = 50,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """回测规则 · Try rules on history: every alarm they would have raised, beside the rules in force.

    Nothing is changed and nobody is told. Without another source it takes the journal of --data-dir, also while its
    gateway runs.

    Exit codes: 0 fine, 1 something of --fail-on holds, 2 the input cannot be used or has wrong rows.
    """
    if sum((journal is not None, csv is not None, line_protocol is not None, store)) > 1:
        fail("数据来源只能选一个", "give one of --journal, --csv, --line-protocol, --store", BAD_INPUT)
    inputs = Inputs(read_settings(settings, data_dir if data_dir is not None else owner_of(journal)))
    rules = read_tried(rule or [], use or [])
    check_expectations(fail_on or [], compare)
    from_file = csv is not None or line_protocol is not None
    with inputs.registry(community, needed=not from_file) as (directory, engine):
        zone = zone_of(directory)
        now_ms = SystemClock().now_ms()
        within = read_span(
            from_ or (None if from_file else USUAL_SPAN), to or (None if from_file else "0m"), warm_up, zone, now_ms
        )
        devices = known_devices(device, directory)
        history: History
        if csv is not None:
            history = CsvHistory(csv, within, zone, kinds_in(directory))
        elif line_protocol is not None:
            history = LinesHistory(line_protocol, within, kinds_in(directory))
        elif journal is not None:
            history = JournalHistory(journal, within)
        else:
            history = inputs.history("store" if store else "journal", within, directory, now_ms)
        current = in_force(rules, directory) if compare else []
        plan = Plan(
            rules=rules,
            history=history,
            within=within,
            directory=directory,
            current=current,
            devices=devices,
            cases_last_ms=case_lasts * 1000,
            outage_ms=usual_outage_ms(directory, devices) if gateway_off is None else gateway_off * 1000 or None,
            outage_by_heard=from_file and gateway_off is None,
            fail_on=fail_on or (),
            alarms_shown=max(shown_alarms, 1000),
            notes=first_notes(directory, compared=not compare or bool(current)),
        )
        result = run(plan, really_of(engine, plan) if compare and engine is not None and not from_file else None)
    if json_:
        typer.echo(result.model_dump_json(indent=2))
    else:
        show(Console(highlight=False), result, alarms=shown_alarms)
    if result.bad_rows and not skip_bad:
        raise typer.Exit(BAD_INPUT)
    if any(one.broken for one in result.expectations):
        raise typer.Exit(1)


def run(plan: Plan, really: Really | None) -> Result:
    """Run it, with a bar on a terminal; Ctrl-C ends it."""
    zone = plan.zone
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("回测 back-test", total=1.0)

        def tell(progress: Progress) -> None:
            at = "" if progress.at_ms is None else f" {shown(progress.at_ms, zone)}"
            said = f"{STAGES.get(progress.stage, '')}{at} {progress.observations_per_s:,.0f}/s"
            bar.update(task, completed=progress.share, description=said)

        try:
            return Backtest(plan, on_progress=tell, really=really).run()
        except HistoryError as error:
            fail(error.zh, error.en, BAD_INPUT)
        except RuleError as error:
            fail("规则有误 the rule cannot be used", error, BAD_INPUT)
