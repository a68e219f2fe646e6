"""What the command line gives a back-test: rules, community, time. Every fault is a sentence, and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import yaml

from gateway.backtest.expectations import COMPARED, parse
from gateway.backtest.model import Note
from gateway.backtest.order import NoCommunity, Source, history_of
from gateway.backtest.plan import tried
from gateway.backtest.sources.history import History, Within
from gateway.backtest.span import instant, length_ms
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import read_community, read_rules
from gateway.registry.model import Community
from gateway.registry.problem import Problem
from gateway.rules.document import RuleDocument
from gateway.settings import Settings
from gateway.state.db import open_database
from gateway.terminal import err, fail

BAD_INPUT = 2


class Inputs:
    """The data of one gateway, as far as it is there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextmanager
    def registry(
        self, community: Path | None, *, needed: bool
    ) -> Iterator[tuple[CommunityDirectory | None, sa.Engine | None]]:
        """Who and where, by ``community`` or by the registry; and the state database, where there is one."""
        engine = self._database()
        try:
            if community is not None:
                reading = read_community(community)
                _refuse(reading.errors)
                assert reading.community is not None
                found = reading.community
            else:
                found_there = None if engine is None else self._registered(engine)
                if found_there is None:
                    if needed:
                        absent = NoCommunity()
                        fail(absent.zh, absent.en, BAD_INPUT)
                    yield None, engine
                    return
                found = found_there
            yield CommunityDirectory(found, self._settings.gateway_device), engine
        finally:
            if engine is not None:
                engine.dispose()

    def _database(self) -> sa.Engine | None:
        settings = self._settings
        if settings.database_url is None and not (settings.data_dir / "state.db").exists():
            return None
        try:
            return open_database(settings.database)
        except sa.exc.SQLAlchemyError as error:
            why = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            fail("数据库无法使用 the state database cannot be used", why, BAD_INPUT)

    def _registered(self, engine: sa.Engine) -> Community | None:
        try:
            return registry_store.load(engine)
        except ValueError as error:
            fail("名册读不出 the registry cannot be read by this version", error, BAD_INPUT)

    def history(self, source: Source, within: Within, directory: CommunityDirectory | None, now_ms: int) -> History:
        """The journal or the telemetry store of the settings."""
        assert directory is not None  # `registry` was told that it is needed
        return history_of(source, self._settings, within, directory, now_ms)


def read_tried(files: Sequence[Path], used: Sequence[str]) -> tuple[RuleDocument, ...]:
    """The rules to be tried, from files and from the library."""
    rules: list[RuleDocument] = []
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            fail("规则文件读不出", f"{file}: cannot be read: {error.strerror or error}; check the path", BAD_INPUT)
        found, problems = read_rules(str(file), data)
        _refuse(problems)
        rules += found
    if used:
        written = yaml.safe_dump([{"use": name} for name in used])
        found, problems = read_rules("--use", written.encode())
        _refuse(problems)
        rules += found
    if not rules:
        fail("没有规则", "give --rule FILE or --use ID: what is to be tried?", BAD_INPUT)
    ids = [rule.id for rule in rules]
    twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
    if twice:
        fail("规则编号重复", f"{', '.join(twice)}: given twice; rename one, or leave it out", BAD_INPUT)
    return tuple(tried(rules))


def _refuse(problems: Sequence[Problem]) -> None:
    """End the command where there are any."""
    for problem in problems:
        err.print(str(problem), markup=False, style="red", soft_wrap=True)
    if problems:
        fail(f"{len(problems)} 处错误 errors", code=BAD_INPUT)


def read_span(from_: str | None, to: str | None, warm_up: str, zone: ZoneInfo, now_ms: int) -> Within:
    """``--from``, ``--to`` and ``--warm-up``."""
    found: list[int | None] = []
    for option, text, end in (("--from", from_, False), ("--to", to, True)):
        try:
            found.append(None if text is None else instant(text, zone, now_ms, end=end))
        except ValueError as error:
            fail("时间写法有误", f"{option} {error}", BAD_INPUT)
    from_ms, until_ms = found
    if from_ms is not None and until_ms is not None and from_ms >= until_ms:
        fail("时间写法有误", f"--from {from_} is not before --to {to}", BAD_INPUT)
    try:
        return Within(from_ms, until_ms, length_ms(warm_up))
    except ValueError as error:
        fail("时间写法有误", f"--warm-up {error}", BAD_INPUT)


def known_devices(devices: Sequence[str] | None, directory: CommunityDirectory | None) -> frozenset[str] | None:
    """``--device``; None for all."""
    if not devices:
        return None
    unknown = sorted(one for one in devices if directory is not None and directory.device(one) is None)
    if unknown:
        fail("名册中没有这些设备", f"there is no device {', '.join(unknown)} in the registry", BAD_INPUT)
    return frozenset(devices)


def check_expectations(texts: Sequence[str], compare: bool) -> None:
    """``--fail-on``."""
    for text in texts:
        try:
            name, _, _ = parse(text)
        except ValueError as error:
            fail("--fail-on 写法有误", error, BAD_INPUT)
        if name in COMPARED and not compare:
            fail("--fail-on 需要比较", f"{name} needs the comparison: leave --no-compare out", BAD_INPUT)


def owner_of(journal: Path | None) -> Path | None:
    """The data directory that a journal belongs to."""
    if journal is None:
        return None
    return journal.parent if journal.name == "journal" else journal


def first_notes(directory: CommunityDirectory | None, *, compared: bool) -> list[Note]:
    """What is to be known before anything was read."""
    notes = []
    if not compared:
        notes.append(
            Note(
                code="nothing_in_force",
                zh="没有同编号或同类型的现行规则可比较",
                en="no rule of the same id or alarm type is in force: nothing to compare with",
            )
        )
    if directory is None:
        notes.append(
            Note(
                code="no_community",
                zh="没有社区：报警只按设备统计，与规则库比较",
                en="no community: alarms are about devices, and the library is what is compared with",
            )
        )
    return notes
