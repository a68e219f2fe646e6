"""What boards ask of a telemetry store: the embedded one by SQL, InfluxDB by InfluxQL, with the same answer."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from dashboards import sql
from dashboards.answer import Answer, Look, from_influx
from dashboards.influxql import concrete
from dashboards.query import Query, TagValues
from dashboards.sql_functions import AGGREGATES

if TYPE_CHECKING:  # its client takes half a second to load, and who has the embedded store never needs it
    from gateway.store.influx_http import InfluxHttp


def prepare(connection: sqlite3.Connection) -> None:
    """Teach a connection the aggregates that boards need."""
    for name, aggregate in AGGREGATES.items():
        connection.create_aggregate(name, 2, aggregate)  # type: ignore[arg-type]  # typeshed knows of one number


def ask_embedded(connection: sqlite3.Connection, query: Query | TagValues, look: Look) -> Answer:
    """Ask over a connection that `prepare` was called with. Blocking.

    Raises LookupError for a measurement that does not exist, KeyError for a variable that was not chosen, and
    sqlite3.Error.
    """
    asked = sql.statement(query, look)
    return sql.answer(query, look, connection.execute(asked.sql, asked.parameters))


async def ask_influx(http: InfluxHttp, query: Query | TagValues, look: Look) -> Answer:
    """Raises KeyError for a variable that was not chosen, StoreUnavailable."""
    text = concrete(query, look.language, look.start_ms, look.end_ms, look.variables, look.width_ms, look.day_offset_ms)
    return from_influx(query, [(one.tags, one.values) for one in await http.query(text)])
