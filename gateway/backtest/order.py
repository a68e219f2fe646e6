"""A back-test on the data of a gateway, as an order that can be handed to another process."""

from __future__ import annotations

from functools import partial
from typing import Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from gateway.backtest.alarms import Episode
from gateway.backtest.job import Really
from gateway.backtest.model import Note
from gateway.backtest.plan import CASE_LASTS_S, WARM_UP_S, Plan, in_force, tried, usual_outage_ms
from gateway.backtest.really import really_raised
from gateway.backtest.sources.history import History, HistoryError, Within
from gateway.backtest.sources.journal_source import JournalHistory
from gateway.backtest.sources.rows import KindOf
from gateway.backtest.sources.store_source import StoreHistory
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import read_rules
from gateway.settings import Settings
from gateway.store.past import open_past

Source = Literal["journal", "store"]


class Order(BaseModel):
    """What is asked for over the API."""

    model_config = ConfigDict(extra="forbid")

    settings: Settings
    rules: str
    """YAML or JSON, checked."""
    source: Source
    from_ms: int
    until_ms: int
    warm_up_s: int = WARM_UP_S
    compare: bool = True
    devices: frozenset[str] | None = None
    cases_last_s: int = CASE_LASTS_S
    alarms_shown: int = 1000


class NoCommunity(HistoryError):
    """There is nobody whose history it could be."""

    def __init__(self) -> None:
        super().__init__(
            "尚未配置社区", "no community has been applied yet: run `anju apply FILE`, or give --community"
        )


def kinds_in(directory: CommunityDirectory | None) -> KindOf:
    """The kind of a device by the registry."""

    def kind_of(device: str) -> str | None:
        known = None if directory is None else directory.device(device)
        return None if known is None else known.kind

    return kind_of


def history_of(
    source: Source, settings: Settings, within: Within, directory: CommunityDirectory, now_ms: int
) -> History:
    """The journal or the telemetry store of a gateway."""
    if source == "journal":
        return JournalHistory(settings.data_dir / "journal", within)
    kinds = {device.kind for device in directory.devices.values()}
    return StoreHistory(partial(open_past, settings, kinds), within, kinds_in(directory), now_ms)


def really_of(engine: sa.Engine, plan: Plan) -> Really:
    """What the gateway of ``engine`` really raised; where its database fails, that is noted in the plan."""

    def really(from_ms: int, until_ms: int) -> list[Episode] | None:
        try:
            return really_raised(engine, plan.rules, from_ms, until_ms, plan.devices)
        except sa.exc.SQLAlchemyError:
            plan.notes.append(NO_DATABASE)
            return None

    return really


NO_DATABASE = Note(
    code="really_raised_unknown",
    zh="状态数据库读不出，未与实际报警比较",
    en="the state database cannot be read: not compared with what was really raised",
)


def plan_of(order: Order, engine: sa.Engine) -> Plan:
    """Everything that ``order`` needs. Raises HistoryError, ValueError for rules that cannot be used."""
    community = registry_store.load(engine)
    if community is None:
        raise NoCommunity
    rules, problems = read_rules("rules", order.rules.encode())
    if problems:
        raise ValueError("; ".join(str(problem) for problem in problems))
    directory = CommunityDirectory(community, order.settings.gateway_device)
    rules = tuple(tried(rules))
    within = Within(order.from_ms, order.until_ms, order.warm_up_s * 1000)
    return Plan(
        rules=rules,
        history=history_of(order.source, order.settings, within, directory, order.until_ms),
        within=within,
        directory=directory,
        current=in_force(rules, directory) if order.compare else (),
        devices=order.devices,
        cases_last_ms=order.cases_last_s * 1000,
        outage_ms=usual_outage_ms(directory, order.devices),
        alarms_shown=order.alarms_shown,
    )
