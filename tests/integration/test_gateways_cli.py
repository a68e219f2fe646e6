"""`anju gateways`: who leads, and that a gateway which is gone is missed until it is forgotten."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from typer.testing import CliRunner

from gateway.cli import app
from gateway.clock import SystemClock
from gateway.state.db import open_database
from gateway.state.human_tables import gateways
from gateway.state.leadership import Leadership


def run(tmp_path: Path, *args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["gateways", *args, "--data-dir", str(tmp_path)], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_who_leads_who_stands_by_and_who_is_missing(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    home = Leadership(engine, SystemClock(), "gateway-a")
    for one in (home, Leadership(engine, SystemClock(), "gateway-b", rank=1), Leadership(engine, SystemClock(), "old")):
        one.keep(0)
    with engine.begin() as connection:
        connection.execute(sa.update(gateways).where(gateways.c.gateway == "old").values(seen_ms=0))
    code, said = run(tmp_path, "list")
    lines = {line.split()[1]: line for line in said.splitlines() if "gateway-" in line or "old" in line}
    assert code == 0
    assert "leads" in lines["gateway-a"] and "stands by" in lines["gateway-b"] and "not seen" in lines["old"]

    assert run(tmp_path, "forget", "gateway-b")[0] == 1, "it is there"
    assert run(tmp_path, "forget", "nobody")[0] == 1
    assert run(tmp_path, "forget", "old")[0] == 0
    again = Leadership(engine, SystemClock(), "gateway-c")
    again.keep(0)
    assert again.missing == ()
    assert again.peers == ("gateway-a", "gateway-b")
