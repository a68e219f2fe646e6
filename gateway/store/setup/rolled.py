"""Roll-ups on a server: readings by the minute and by the hour, as InfluxQL (1.x) and as Flux (tasks of 2.x).

Of each number of each kind of device: ``mean_pulse``, ``min_pulse``, ``max_pulse``, ``count_pulse``, ``last_pulse``, at
the begin of the minute or hour, with the tags of the readings. Computed again from the readings for as long as late
ones are usual, so that a resend never counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from devices.kinds import KINDS
from gateway.store.influxql import identifier

FUNCTIONS: Final = ("mean", "min", "max", "count", "last")


@dataclass(frozen=True, slots=True)
class RollUp:
    """Readings of one width."""

    name: str
    """Of the retention policy (1.x); of the bucket after the raw one's name and a slash (2.x)."""
    width_s: int
    width: str
    every: str
    """How often it is computed."""
    late: str
    """How far back each time."""
    step_s: int
    """How much is computed at once where a backlog is made up for."""


ROLL_UPS: Final = (
    RollUp("minute", 60, "1m", every="10m", late="2h", step_s=6 * 3600),
    RollUp("hour", 3600, "1h", every="1h", late="6h", step_s=2 * 86_400),
)


def kinds_pattern() -> str:
    """A regular expression that matches the measurements of all kinds of devices, and nothing else."""
    return f"^({'|'.join(sorted(KINDS))})$"


def select_into(database: str, raw: str, roll_up: RollUp, where: str = "") -> str:
    """InfluxQL that computes a roll-up."""
    functions = ", ".join(f"{function}(*)" for function in FUNCTIONS)
    return (
        f"SELECT {functions} INTO {identifier(database)}.{identifier(roll_up.name)}.:MEASUREMENT"
        f" FROM {identifier(database)}.{identifier(raw)}./{kinds_pattern()}/{where} GROUP BY time({roll_up.width}), *"
    )


def flux(bucket: str, roll_up: RollUp, start: str, stop: str) -> str:
    """The same in Flux; ``start`` and ``stop`` are expressions, on whole minutes or hours."""
    calls = "\n".join(f'rolled(name: "{function}", fn: {function})' for function in FUNCTIONS)
    return f"""\
stop = {stop}
start = {start}
readings =
    from(bucket: {_quoted(bucket)})
        |> range(start: start, stop: stop)
        |> filter(fn: (r) => r._measurement =~ /{kinds_pattern()}/)
rolled = (name, fn) =>
    readings
        |> aggregateWindow(every: {roll_up.width}, fn: fn, createEmpty: false, timeSrc: "_start")
        |> map(fn: (r) => ({{r with _field: name + "_" + r._field}}))
        |> to(bucket: {_quoted(f"{bucket}/{roll_up.name}")})
        |> group()
        |> count()
        |> yield(name: name)

{calls}
"""


def flux_task(bucket: str, roll_up: RollUp) -> str:
    """The task that keeps a roll-up."""
    now = f"date.truncate(t: now(), unit: {roll_up.width})"
    head = f"""\
import "date"

option task = {{name: {_quoted(task_name(bucket, roll_up))}, every: {roll_up.every}, offset: 30s}}

"""
    return head + flux(bucket, roll_up, f"date.sub(d: {roll_up.late}, from: stop)", now)


def task_name(bucket: str, roll_up: RollUp) -> str:
    """What the task, or the continuous query, is called."""
    return f"{bucket}-{roll_up.name}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
    return f'"{escaped}"'
