"""What the chronicle reads of the state database, and what it remembers there. Blocking: for a thread.

Everything is read in bounded helpings, in transactions that only read, so that the decider never waits.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from devices import measurements
from gateway.cases.effects import DEVICE_CHANNEL
from gateway.chronicle.cases import AlarmSeen
from gateway.chronicle.fleet import FleetSeen
from gateway.chronicle.messages import Said
from gateway.chronicle.places import DAY_MS
from gateway.outbox.table import DELIVERED, FAILED, WITHDRAWN
from gateway.registry import care
from gateway.settings import Settings
from gateway.state import tables as t
from gateway.state.db import insert, reading, writing
from gateway.state.leadership import own_name

CASE: Final = "case"
ALARM: Final = "alarm"
MESSAGES: Final = "messages"
"""The lane of the cursor that says up to when all messages that are over were written."""
_c, _a, _k, _o = t.cases.c, t.alarms.c, t.chronicled.c, t.outbox.c
_ALARM = ("id", "rule", "type", "severity", "raised_at_ms", "cleared_at_ms", "repeats", "device", "place")
_ALARM_VERSION = 2 * _a.repeats + sa.case((_a.cleared_at_ms.is_(None), 0), else_=1)
"""As `AlarmSeen.version`."""
FORGOTTEN_AT_ONCE: Final = 2_000
_NO_TAGS = "{}"
"""Of what was left out: it cannot be read, or is older than the store keeps."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the store holds: which version of what, under which tags."""

    what: str
    id: str
    version: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case, and which version of it the store holds."""

    id: str
    version: int
    open: bool
    body: str
    marked: Mark | None


def store_key(settings: Settings) -> str:
    """Which telemetry store this gateway writes into. An embedded one is the gateway's own."""
    store = settings.store
    if store.kind == "embedded":
        return own_name(store.kind, settings.gateway_device)
    return f"{store.kind}:{store.url.rstrip('/')}/{store.bucket}"


def kept_ms(settings: Settings) -> int | None:
    """For how long that store keeps what it is told of cases; None for ever. Older ones it would refuse, or trim."""
    if settings.store.kind == "embedded":
        return measurements.CASE.kept_days * DAY_MS
    days, _, _ = settings.store.retention.raw.partition("d")  # 90d, or forever
    return int(days) * DAY_MS if days.isdigit() else None


class Standing(NamedTuple):
    """A case, and what the store holds of it."""

    version: int
    open: bool
    marked: Mark | None


class Newest(NamedTuple):
    """The newest case that the store was told of."""

    number: str
    opened_at_ms: int


class CaseFacts(NamedTuple):
    """What an alarm's point says of its case."""

    number: str
    drill: bool
    life: bool


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm, and which version of it the store holds."""

    alarm: AlarmSeen
    marked: Mark | None


class ChronicleRows:
    """The rows of one telemetry store. Every method is one short transaction; raises what the database raises."""

    def __init__(self, engine: sa.Engine, store: str) -> None:
        """``store``: which telemetry store it is, so that another one is filled from the beginning."""
        self._engine = engine
        self._store = store
        self.forgotten = 0
        """How often all that was remembered was forgotten."""

    # cases and their alarms

    def open_cases(self) -> list[str]:
        """The ids of all open cases."""
        with reading(self._engine) as connection:
            return list(connection.execute(sa.select(_c.id).where(_c.open.is_(True))).scalars())

    def newest(self, since_ms: int) -> Newest | None:
        """The newest case since then that the store holds, as far as is remembered."""
        query = (
            sa.select(_c.number, _c.opened_at_ms)
            .select_from(t.cases.join(t.chronicled, self._is(_k, CASE, _c.id)))
            .where(_k.tags != _NO_TAGS, _c.opened_at_ms >= since_ms)
            .order_by(_c.opened_at_ms.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Newest(row.number, row.opened_at_ms)

    def forget(self) -> None:
        """The store holds nothing any more. In helpings, so that the decider never waits long; what is newest goes
        last, so that who is interrupted finds out again."""
        newest = (
            sa.select(_c.id)
            .select_from(t.cases.join(t.chronicled, self._is(_k, CASE, _c.id)))
            .where(_k.tags != _NO_TAGS)
            .order_by(_c.opened_at_ms.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            last = connection.execute(newest).scalar() or ""
        mine = _k.store == self._store
        some = sa.select(_k.what, _k.id).where(mine, sa.not_(sa.and_(_k.what == CASE, _k.id == last)))
        helping = sa.delete(t.chronicled).where(
            mine, sa.tuple_(_k.what, _k.id).in_(some.limit(FORGOTTEN_AT_ONCE).subquery().select())
        )
        while True:
            with writing(self._engine) as connection:
                if connection.execute(helping).rowcount:
                    continue
                connection.execute(sa.delete(t.chronicled).where(mine))
                connection.execute(sa.delete(t.cursors).where(t.cursors.c.reader == self._reader))
                break
        self.forgotten += 1

    def differing(self, limit: int, since_ms: int) -> tuple[list[str], bool]:
        """Cases since then of which the store holds another version, or of one of whose alarms: the newest first; and
        whether there may be more."""
        case_mark, alarm_mark = t.chronicled.alias(), t.chronicled.alias()
        cases = (
            sa.select(_c.id)
            .select_from(t.cases.outerjoin(case_mark, self._is(case_mark.c, CASE, _c.id)))
            .where(_c.opened_at_ms >= since_ms)
            .where(sa.or_(case_mark.c.version.is_(None), case_mark.c.version != _c.version))
            .order_by(_c.opened_at_ms.desc(), _c.id)
            .limit(limit)
        )
        alarms = (
            sa.select(_a.case_id)
            .select_from(t.alarms.outerjoin(alarm_mark, self._is(alarm_mark.c, ALARM, sa.cast(_a.id, sa.Text))))
            .where(_a.raised_at_ms >= since_ms)
            .where(sa.or_(alarm_mark.c.version.is_(None), alarm_mark.c.version != _ALARM_VERSION))
            .order_by(_a.id.desc())
            .limit(limit)
        )
        with reading(self._engine) as connection:
            found = [list(connection.execute(query).scalars()) for query in (cases, alarms)]
        return list(dict.fromkeys([*found[0], *found[1]])), any(len(one) == limit for one in found)

    def cases(self, ids: Collection[str]) -> list[CaseRow]:
        """The records of these cases in this order, with what the store holds of them."""
        query = (
            sa.select(_c.id, _c.version, _c.open, _c.body, _k.version.label("marked"), _k.tags)
            .select_from(t.cases.outerjoin(t.chronicled, self._is(_k, CASE, _c.id)))
            .where(_c.id.in_(list(ids)))
        )
        with reading(self._engine) as connection:
            rows = {row.id: row for row in connection.execute(query)}
        found = (rows[id_] for id_ in ids if id_ in rows)
        return [CaseRow(row.id, row.version, row.open, row.body, _mark(CASE, row.id, row)) for row in found]

    def standing(self, ids: Collection[str]) -> dict[str, Standing]:
        """How these cases stand; one that is not there is left out."""
        query = (
            sa.select(_c.id, _c.version, _c.open, _k.version.label("marked"), _k.tags)
            .select_from(t.cases.outerjoin(t.chronicled, self._is(_k, CASE, _c.id)))
            .where(_c.id.in_(list(ids)))
        )
        with reading(self._engine) as connection:
            return {
                row.id: Standing(row.version, row.open, _mark(CASE, row.id, row)) for row in connection.execute(query)
            }

    def alarms(self, cases: Mapping[str, CaseFacts]) -> list[AlarmRow]:
        """The alarms of these cases of which the store holds another version, or none."""
        query = (
            sa.select(_a.case_id, *(_a[name] for name in _ALARM), _k.version.label("marked"), _k.tags)
            .select_from(t.alarms.outerjoin(t.chronicled, self._is(_k, ALARM, sa.cast(_a.id, sa.Text))))
            .where(_a.case_id.in_(list(cases)), sa.or_(_k.version.is_(None), _k.version != _ALARM_VERSION))
            .order_by(_a.id)
        )
        with reading(self._engine) as connection:
            return [
                AlarmRow(
                    AlarmSeen(**{name: getattr(row, name) for name in _ALARM}, **cases[row.case_id]._asdict()),
                    _mark(ALARM, str(row.id), row),
                )
                for row in connection.execute(query)
            ]

    def remember(self, marks: Iterable[Mark]) -> None:
        """The store holds these for certain."""
        values = [
            {
                "store": self._store,
                "what": one.what,
                "id": one.id,
                "version": one.version,
                "tags": json.dumps(dict(one.tags), ensure_ascii=False, sort_keys=True),
            }
            for one in marks
        ]
        if not values:
            return
        with writing(self._engine) as connection:
            statement = insert(connection, t.chronicled)
            changed = {name: statement.excluded[name] for name in ("version", "tags")}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["store", "what", "id"], set_=changed), values
            )

    def _is(self, of: Any, what: str, id_: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        return sa.and_(of.store == self._store, of.what == what, of.id == id_)

    # messages

    def messages_until(self) -> int:
        """Up to when all messages that are over are in the store; 0 at the first start."""
        c = t.cursors.c
        query = sa.select(c.position).where(c.reader == self._reader, c.lane == MESSAGES)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar() or 0)

    def remember_messages(self, until_ms: int) -> None:
        """The store holds all messages up to then."""
        mine = (t.cursors.c.reader == self._reader, t.cursors.c.lane == MESSAGES)
        with writing(self._engine) as connection:
            if connection.execute(sa.update(t.cursors).where(*mine).values(position=until_ms)).rowcount == 0:
                connection.execute(sa.insert(t.cursors).values(reader=self._reader, lane=MESSAGES, position=until_ms))

    @property
    def _reader(self) -> str:
        return f"chronicle:{self._store}"

    def messages(self, after: tuple[int, str], limit: int) -> list[Said]:
        """Messages and commands whose fate is final, in the order of (when, key), after this one."""
        query = (
            sa.select(
                *(_o[name] for name in ("key", "channel", "status", "urgent", "drill", "created_at_ms")),
                _o.ended_at_ms,
                _o.attempts,
                _c.number,
                sa.case((_o.channel == DEVICE_CHANNEL, _o.body), else_="").label("body"),
            )
            .select_from(t.outbox.outerjoin(t.cases, _c.id == _o.case_id))
            .where(_o.ended_at_ms >= after[0], sa.or_(_o.ended_at_ms > after[0], _o.key > after[1]))
            .where(_o.status.in_((DELIVERED, FAILED, WITHDRAWN)))
            .order_by(_o.ended_at_ms, _o.key)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [
                Said(
                    row.key,
                    row.channel,
                    row.status,
                    row.urgent,
                    row.drill,
                    row.created_at_ms,
                    row.ended_at_ms,
                    row.attempts,
                    row.number or "",
                    row.body,
                )
                for row in connection.execute(query)
            ]

    # how things are

    def open_at(self) -> Counter[str]:
        """How many cases are open at each place, drills not among them."""
        drill = _c.body.contains('"drill":true', autoescape=True)
        query = (
            sa.select(_c.place, sa.func.count().label("cases"))
            .where(_c.open.is_(True), _c.place.is_not(None), sa.not_(drill))
            .group_by(_c.place)
        )
        with reading(self._engine) as connection:
            return Counter({row.place: row.cases for row in connection.execute(query)})

    def fleet(self, now_ms: int) -> FleetSeen:
        """How every device is at this instant."""
        s = t.device_states.c
        standing: dict[str, set[str]] = {}
        with reading(self._engine) as connection:
            states = connection.execute(sa.select(s.device, s.last_seen_ms, s.states)).all()
            stand = sa.select(_a.device, _a.type).where(_a.cleared_at_ms.is_(None), _a.device.is_not(None))
            held = sa.select(t.withheld.c.body)
            for row in connection.execute(stand):
                standing.setdefault(row.device, set()).add(row.type)
            for body in connection.execute(held).scalars():
                change = json.loads(body)
                standing.setdefault(change.get("device") or "", set()).add(change["type"])
            worked_on = set(care.running(connection, now_ms))
        return FleetSeen(
            last_seen_ms={row.device: row.last_seen_ms for row in states},
            states={row.device: json.loads(row.states) for row in states if row.states},
            standing=standing,
            worked_on=worked_on,
        )

    def remembered_by(self, rule: str) -> list[tuple[str, str]]:
        """What a rule remembers of each of its subjects, (subject, body)."""
        r = t.rule_states.c
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(r.subject, r.body).where(r.rule == rule)).all()
        return [(row.subject, row.body) for row in rows]


def _mark(what: str, id_: str, row: Any) -> Mark | None:
    return None if row.marked is None else Mark(what, id_, row.marked, json.loads(row.tags))
