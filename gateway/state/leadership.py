"""Several gateways on one database: one of them decides and speaks at a time, by a lease with a fence.

The others journal what devices say all the same, and take over when the leader falls silent: ``LEASE_S`` after its last
sign, later by ``RANK_S`` for each rank; the emergency line waits `LINE_WAIT_S`, because a leader that only lost
the database may be in the middle of a call. Every clock here is the gateway's own steady one: a wall clock that is
set, or that differs from machine to machine, moves nothing. The fence grows with every change of the leader, and is
checked in the transactions that decide: one that was asleep cannot commit what it thought before.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from gateway.clock import Clock
from gateway.state.db import insert, reading, writing
from gateway.state.human_tables import gateways, leadership

log = logging.getLogger(__name__)

LEASE_S = 10.0
RENEW_S = 2.0
RANK_S = 5.0
LINE_WAIT_S = 30.0
HELD_S = LEASE_S
"""For so long a transaction that holds the lead may do nothing in the database. Then PostgreSQL ends it: a gateway that
stopped in the middle of a decision (paused, without power) would keep the next one waiting for its lock."""
PEER_S = 60.0
"""A gateway that has not been seen for so long is gone."""
ALONE = "anju-gateway"
"""The name of a gateway that was given none: what it keeps in the database bears no name."""


class NotLeading(Exception):
    """Another gateway decides by now. Nothing of this transaction may be committed."""


def own_name(what: str, gateway: str) -> str:
    """``what`` as this gateway keeps it beside those of others: a reader's cursor, a client id of the broker."""
    return what if gateway == ALONE else f"{what}:{gateway}"


class Leadership:
    """One gateway's part in it. `keep` is called by the decider's thread; the rest from any."""

    def __init__(
        self,
        engine: sa.Engine,
        clock: Clock,
        gateway: str = ALONE,
        *,
        rank: int = 0,
        url: str = "",
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """``url``: where people reach this gateway, for those who come to one that does not lead."""
        self.gateway = gateway
        self._engine = engine
        self._clock = clock
        self._rank = rank
        self._url = url
        self._steady = steady
        self._instance = secrets.token_hex(8)
        self._fence = 0
        """Of the lease that is held; 0 for none."""
        self._renewed = float("-inf")
        self._looked = float("-inf")
        self._seen: tuple[int, int] | None = None
        """Fence and beat of the lease as seen last, and since when it stands still."""
        self._still_since = 0.0
        self._sights: dict[str, tuple[int, float]] = {}
        """Of each other gateway what it wrote last of being there, and since when that stands."""
        self._line_from = float("-inf")
        self._began = True
        self._lock = threading.Lock()
        self.leader: str = ""
        """Who leads, as of the last look."""
        self.leader_url: str = ""
        self.decided_ms = 0
        """Up to when the leader has decided what was received."""
        self.peers: tuple[str, ...] = ()
        """Other gateways on this database that are alive, as of the last look."""
        self.missing: tuple[str, ...] = ()
        """Other gateways that were there and are not seen any more."""

    @property
    def leads(self) -> bool:
        """Whether this gateway decides and speaks now. One that could not renew in time holds back by itself."""
        return self._fence > 0 and self._steady() - self._renewed < LEASE_S

    @property
    def fence(self) -> int:
        """The number of the lead that is held, which grows with every change of the leader; 0 for none."""
        return self._fence

    @property
    def may_dial(self) -> bool:
        """Whether the emergency line may be called: a leader that fell silent may be calling still."""
        return self.leads and self._steady() >= self._line_from

    @property
    def beside(self) -> bool:
        """Whether there is another gateway on this database, or was."""
        return bool(self.peers or self.missing)

    def keep(self, decided_ms: int) -> bool:
        """Renew the lease or, where the leader is gone, take it. Looks into the database every `RENEW_S` seconds.

        ``decided_ms``: up to when this gateway has decided all that it received. Raises what the database raises.
        """
        now = self._steady()
        if now - self._looked < RENEW_S:
            return self.leads
        with self._lock, writing(self._engine) as connection:
            _bound(connection)
            self._present(connection)
            self._look(connection, now, decided_ms)
        self._looked = now
        return self.leads

    def renew(self, decided_ms: int) -> None:
        """Renew a lease that is held, where that is due; never take one. For long work between two looks."""
        now = self._steady()
        if not self._fence or now - self._looked < RENEW_S:
            return
        mine = (leadership.c.fence == self._fence, leadership.c.instance == self._instance)
        with self._lock, writing(self._engine) as connection:
            _bound(connection)
            self._present(connection)
            values = {"beat": leadership.c.beat + 1, "decided_ms": decided_ms}
            if connection.execute(sa.update(leadership).where(*mine).values(**values)).rowcount != 1:
                return  # somebody else leads: `require` says so
        self._renewed = self._looked = now

    def require(self, connection: sa.Connection) -> None:
        """Within a transaction: what it decides holds only if this gateway still leads. Raises NotLeading."""
        query = sa.select(leadership.c.fence, leadership.c.instance)
        if connection.dialect.name == "postgresql":
            _bound(connection)
            query = query.with_for_update(read=True)  # nobody takes over before this transaction is committed
        row = connection.execute(query).one_or_none()
        if row is None or (row.fence, row.instance) != (self._fence, self._instance):
            self._looked = float("-inf")
            raise NotLeading(f"another gateway leads since this one last renewed (fence {row.fence if row else 0})")

    def give_up(self) -> None:
        """A stop in order: the next gateway need not wait. Raises what the database raises."""
        with self._lock, writing(self._engine) as connection:
            connection.execute(
                sa.update(leadership)
                .where(leadership.c.fence == self._fence, leadership.c.instance == self._instance)
                .values(instance="", beat=0)
            )
            self._fence = 0

    def _present(self, connection: sa.Connection) -> None:
        """Say that this gateway is there, and look who else is."""
        now_ms = self._clock.now_ms()
        values = {"rank": self._rank, "url": self._url, "seen_ms": now_ms}
        connection.execute(
            insert(connection, gateways)
            .values(gateway=self.gateway, **values)
            .on_conflict_do_update(index_elements=["gateway"], set_=values)
        )
        rows = connection.execute(sa.select(gateways).where(gateways.c.gateway != self.gateway)).all()
        alive = {row.gateway for row in rows if self._alive(row.gateway, row.seen_ms, now_ms)}
        self.peers = tuple(sorted(alive))
        self.missing = tuple(sorted({row.gateway for row in rows} - alive))

    def _alive(self, gateway: str, seen_ms: int, now_ms: int) -> bool:
        """Whether another gateway has said lately that it is there, by the own steady clock: the wall clocks of two
        machines may differ by more than that. At the first look they are all there is."""
        now, (before_ms, since) = self._steady(), self._sights.get(gateway, (seen_ms, float("-inf")))
        if seen_ms != before_ms or (gateway not in self._sights and abs(now_ms - seen_ms) < PEER_S * 1000):
            since = now
        self._sights[gateway] = seen_ms, since
        return now - since < PEER_S

    def _look(self, connection: sa.Connection, now: float, decided_ms: int) -> None:
        row = connection.execute(sa.select(leadership).with_for_update()).one_or_none()
        if row is None:
            first = {"name": "decider", "holder": self.gateway, "instance": self._instance, "fence": 1, "beat": 1}
            connection.execute(sa.insert(leadership).values(decided_ms=decided_ms, **first))
            self._led(1, now, waited=False)
            return
        if (row.fence, row.instance) == (self._fence, self._instance):
            connection.execute(sa.update(leadership).values(beat=row.beat + 1, decided_ms=decided_ms))
            self._led(self._fence, now, waited=False)
            return
        if self._fence:
            log.error("gateway %s leads now; this one (%s) stands by", row.holder, self.gateway)
            self._fence = 0
        url = connection.execute(sa.select(gateways.c.url).where(gateways.c.gateway == row.holder)).scalar()
        self.leader, self.leader_url, self.decided_ms = row.holder, url or "", row.decided_ms
        if self._seen != (row.fence, row.beat):
            self._seen, self._still_since = (row.fence, row.beat), now
        still_s = now - self._still_since
        # A process that starts again under its own name goes on at once. Of two with one name the other stands by.
        again = self._began and row.holder == self.gateway
        self._began = False
        free = row.instance == ""
        if not (again or free or still_s >= LEASE_S + self._rank * RANK_S):
            return
        taken = {"holder": self.gateway, "instance": self._instance, "fence": row.fence + 1, "beat": 1}
        connection.execute(sa.update(leadership).where(leadership.c.fence == row.fence).values(**taken))
        log.warning("gateway %s leads from now on, after %s", self.gateway, row.holder)
        self._led(row.fence + 1, now, waited=not (again or free))

    def _led(self, fence: int, now: float, *, waited: bool) -> None:
        if waited:
            self._line_from = self._still_since + LEASE_S + LINE_WAIT_S
        self._fence, self._renewed, self._began = fence, now, False
        self.leader, self.leader_url = self.gateway, self._url


def _bound(connection: sa.Connection) -> None:
    """Within a transaction that is about to hold the lead: it is given up where this process stops in the middle."""
    if connection.dialect.name == "postgresql":
        held_ms = str(int(HELD_S * 1000))
        connection.execute(sa.select(sa.func.set_config("idle_in_transaction_session_timeout", held_ms, True)))


def known_gateways(engine: sa.Engine) -> list[tuple[str, int, int]]:
    """Every gateway that ever worked on this database: name, rank, when it was last seen (ms)."""
    with reading(engine) as connection:
        rows = connection.execute(sa.select(gateways).order_by(gateways.c.rank, gateways.c.gateway)).all()
    return [(row.gateway, row.rank, row.seen_ms) for row in rows]
