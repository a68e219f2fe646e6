"""Takes the answers of people: writes each down, finds out whose it is and what it means, has it carried out once.

Implements `gateway.outbox.channel.Listener`. An answer stands in the database before anything is done about it, and is
marked in the transaction that carries it out; whatever dies in between, `recover` goes on where it stood.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import sqlalchemy as sa

from gateway.alarms import Frozen
from gateway.answers import acting, rows, words
from gateway.answers.invitations import ASKS
from gateway.answers.meaning import Answer, interpret
from gateway.answers.numbers import whose
from gateway.answers.rows import Invited, Kept, Result
from gateway.cases.causes import Cause
from gateway.cases.commands import Refused
from gateway.cases.effects import Purpose
from gateway.cases.model import Case, Stage
from gateway.cases.wording import Words
from gateway.clock import Clock
from gateway.decider import case_rows
from gateway.decider.decider import Decider
from gateway.outbox.channel import Heard
from gateway.registry.directory import CommunityDirectory
from gateway.state.db import reading

log = logging.getLogger(__name__)

DECIDE_WITHIN_S = 15.0
PAGES = ("link", "page")
"""The ways of those who have buttons before them."""
AGAIN_S = 10.0
"""What could not be decided is tried again this often."""
ASK_BACK_MOST, ASK_BACK_MS = 3, 10 * 60_000
TOLD_MS = 7 * 24 * 3_600_000
"""For so long somebody who answers too late is told how it ended."""


class NotDecided(Exception):
    """The answer is written down, and could not be decided in time; it will be."""


class Reply(Frozen):
    """What came of an answer."""

    result: Result
    words: str


class _Known(Frozen):
    """An answer that was understood."""

    person: str
    case_id: str
    answer: Answer
    version: int | None
    reason: str = ""
    cause: Cause | None = None


class _Said(Frozen):
    """Nothing is to be done but to say this."""

    result: Result
    words: Words
    person: str | None = None
    case_id: str | None = None


NOTHING = Words("", "")


class AnswerDesk:
    """Used in one event loop; the database is asked in threads."""

    def __init__(
        self,
        engine: sa.Engine,
        decider: Decider,
        clock: Clock,
        directory: Callable[[], CommunityDirectory | None],
    ) -> None:
        self._engine = engine
        self._decider = decider
        self._clock = clock
        self._directory = directory

    async def __call__(self, heard: Heard) -> str:
        """Take an answer in; returns the words to say back. Raises NotDecided: it is safe, and has no words yet."""
        id_ = await asyncio.to_thread(rows.keep, self._engine, heard, self._clock.now_ms())
        return (await self._settle(id_)).words

    async def tap(
        self,
        heard: Heard,
        *,
        person: str,
        case_id: str,
        answer: Answer,
        version: int | None,
        reason: str = "",
        cause: Cause | None = None,
    ) -> Reply:
        """An answer from a page, which knows whose it is. Raises NotDecided."""
        what = {"answer": answer.value, "version": version, "reason": reason, "cause": cause}
        known: dict[str, object] = {"person": person, "case_id": case_id, **what}
        id_ = await asyncio.to_thread(rows.keep, self._engine, heard, self._clock.now_ms(), **known)
        return await self._settle(id_)

    async def run(self) -> None:
        """Settle what was left undone by a crash or a decider that was busy; until cancelled."""
        while True:
            await self.recover()
            await asyncio.sleep(AGAIN_S)

    async def recover(self) -> None:
        """Settle every answer that is written down and has waited for longer than a decision takes."""
        before_ms = self._clock.now_ms() - int(DECIDE_WITHIN_S * 1000)
        try:
            for id_ in await asyncio.to_thread(rows.undone, self._engine, before_ms):
                await self._again(id_)
        except sa.exc.SQLAlchemyError as error:
            log.warning("answers wait to be decided: %s", error)

    async def _again(self, id_: int) -> None:
        try:
            await self._settle(id_)
        except NotDecided as error:
            log.warning("an answer waits to be decided: %s", error)
        except sa.exc.SQLAlchemyError:
            raise
        except Exception:  # it must not be tried for ever, nor keep the others waiting; it stands among the answers
            log.exception("answer %s cannot be decided", id_)
            await self._done(id_, "failed", "", None, None)

    # one answer

    async def _settle(self, id_: int) -> Reply:
        kept = await asyncio.to_thread(rows.load, self._engine, id_)
        if kept.done_ms is not None:
            return Reply(result=_result(kept), words=kept.reply)
        directory = self._directory()
        if directory is None:
            raise NotDecided("no community has been applied yet")
        found = await asyncio.to_thread(self._understand, kept, directory)
        if isinstance(found, _Known):
            return await self._carry_out(kept, found, directory)
        text = _in_language(found.words, found.person, directory)
        if found.result == "asked" and kept.message is None:
            since_ms = self._clock.now_ms() - ASK_BACK_MS
            asked = await asyncio.to_thread(rows.asked_back, self._engine, kept.channel, kept.sender, since_ms)
            text = "" if asked >= ASK_BACK_MOST else text
        return await self._done(id_, found.result, text, found.person, found.case_id)

    async def _done(self, id_: int, result: Result, text: str, person: str | None, case_id: str | None) -> Reply:
        now_ms = self._clock.now_ms()
        settled = asyncio.to_thread(
            rows.settle, self._engine, id_, result, text, now_ms, person=person, case_id=case_id
        )
        return Reply(result=result, words=await settled)

    async def _carry_out(self, kept: Kept, known: _Known, directory: CommunityDirectory) -> Reply:
        more = known.model_dump(exclude={"answer"})
        await asyncio.to_thread(rows.understood, self._engine, kept.id, answer=known.answer, **more)
        result, text = await self._act(kept, known, directory)
        in_words = _in_language(text, known.person, directory)
        return await self._done(kept.id, result, in_words, known.person, known.case_id)

    async def _act(
        self, kept: Kept, known: _Known, directory: CommunityDirectory, *, stale: bool = False
    ) -> tuple[Result, Words]:
        case = await asyncio.to_thread(self._case, known.case_id)
        if case is None:
            return "refused", words.NOTHING_OPEN
        if case.id != known.case_id:  # merged since: what is taken away from somebody needs the case that was seen
            known = known.model_copy(update={"case_id": case.id, "version": 0})
        family = acting.is_family(directory, case, known.person, self._clock.now_ms())
        sent = case.stage is Stage.DISPATCHED and case.handler == f"person:{known.person}"
        action = acting.action_of(
            Answer.COMING if sent and known.answer is Answer.ACCEPT else known.answer,
            known.person,
            family=family,
            via=kept.channel,
            row=kept.id,
            version=None if stale else known.version,
            reason=known.reason,
            cause=known.cause,
        )
        if not case.open and kept.acted_ms is None:
            return "refused", words.how_it_ended(case, directory)
        try:
            async with asyncio.timeout(DECIDE_WITHIN_S):
                after = await asyncio.wrap_future(self._decider.act(known.case_id, action))
        except (TimeoutError, case_rows.Conflict) as error:
            raise NotDecided(f"answer {kept.id} of case {known.case_id}") from error
        except KeyError:
            return "refused", words.NOTHING_OPEN
        except Refused as refused:
            now = await asyncio.to_thread(self._case, known.case_id)
            if refused.code == "stale" and not stale and now is not None and _still_wanted(now, known):
                return await self._act(kept, known, directory, stale=True)
            return "refused", _kindly(refused, now, known.person, directory)
        return "acted", words.acted(
            known.answer, after, known.person, directory, family=family, taps=kept.channel in PAGES
        )

    def _case(self, case_id: str) -> Case | None:
        with reading(self._engine) as connection:
            return case_rows.load_current(connection, case_id)

    # what it means

    def _understand(self, kept: Kept, directory: CommunityDirectory) -> _Known | _Said:
        if kept.person is not None and kept.case_id is not None and kept.answer is not None:
            answer = Answer(kept.answer)  # from a page, or understood before a crash
            return _Known(
                person=kept.person,
                case_id=kept.case_id,
                answer=answer,
                version=kept.version,
                reason=kept.reason,
                cause=kept.cause,
            )
        if kept.message is not None:
            return self._of_message(kept, kept.message)
        people = whose(directory.community.people, kept.sender)
        if not people:
            log.warning("an answer over %s from somebody whom nobody knows: it is kept, see answers", kept.channel)
            return _Said(result="unknown_sender", words=NOTHING)
        return self._of_sender(kept, people, directory)

    def _of_message(self, kept: Kept, key: str) -> _Known | _Said:
        """A key in a call: which message it answers is known."""
        found = rows.message(self._engine, key)
        if found is None or found[1].person is None:
            return _Said(result="refused", words=words.NOTHING_OPEN)
        case_id, send = found
        assert send.person is not None
        if send.purpose is Purpose.HANDED_OVER:
            return self._taken_over([send.person]) or _Said(result="refused", words=words.NOTHING_OPEN)
        if send.purpose not in ASKS:  # a key that says that it was heard takes nothing
            return _Known(person=send.person, case_id=case_id, answer=Answer.SEEN, version=None)
        pressed = kept.text.strip()
        meaning = interpret(pressed[:1] if pressed and set(pressed) == {pressed[0]} else pressed)
        if meaning.answer is None:
            return _Said(result="asked", words=words.KEYS_ONLY, person=send.person, case_id=case_id)
        return _Known(person=send.person, case_id=case_id, answer=meaning.answer, version=None, reason=meaning.reason)

    def _of_sender(self, kept: Kept, people: list[str], directory: CommunityDirectory) -> _Known | _Said:
        """A reply: by its code, or without one where there can be only one that is meant."""
        invited = rows.codes_of(self._engine, people)
        meaning = interpret(kept.text, [one.code for one in invited])
        cases = {one.case_id: case for one in invited if (case := self._case(one.case_id)) is not None}
        open_ = _one_each([one for one in invited if one.case_id in cases and cases[one.case_id].open], cases)
        if meaning.code is not None:
            chosen = next(one for one in invited if one.code == meaning.code)
        elif len(open_) == 1 and meaning.strange is None:
            chosen = open_[0]
        elif not open_ and meaning.answer in (Answer.ACCEPT, Answer.SEEN) and (taken := self._taken_over(people)):
            return taken
        elif not open_:
            return self._too_late(invited, cases, people, directory)
        else:
            listed = [(one.code, cases[one.case_id]) for one in open_]
            ask = meaning.answer is None or meaning.strange is not None
            text = words.unclear(listed, directory, meaning.strange) if ask else words.which_one(listed, directory)
            return _Said(result="asked", words=text, person=people[0])
        if meaning.answer is None:
            text = words.unclear([(chosen.code, cases[chosen.case_id])], directory, None)
            if not cases[chosen.case_id].open:
                text = words.how_it_ended(cases[chosen.case_id], directory)
            return _Said(result="asked", words=text, person=chosen.person, case_id=chosen.case_id)
        return _Known(
            person=chosen.person,
            case_id=chosen.case_id,
            answer=meaning.answer,
            version=chosen.version,
            reason=meaning.reason,
        )

    def _taken_over(self, people: list[str]) -> _Said | None:
        """Whoever comes on duty says that they have taken over."""
        taken = rows.take_over(self._engine, people, self._clock.now_ms())
        return None if taken is None else _Said(result="acted", words=words.taken_over(taken[1]), person=taken[0])

    def _too_late(
        self, invited: list[Invited], cases: dict[str, Case], people: list[str], directory: CommunityDirectory
    ) -> _Said:
        since_ms = self._clock.now_ms() - TOLD_MS
        for one in invited:
            case = cases.get(one.case_id)
            if case is not None and case.times.get("closed", 0) >= since_ms:
                ended = words.how_it_ended(case, directory)
                return _Said(result="refused", words=ended, person=one.person, case_id=one.case_id)
        return _Said(result="refused", words=words.NOTHING_OPEN, person=people[0])


def _one_each(invited: list[Invited], cases: dict[str, Case]) -> list[Invited]:
    """Of each case the newest invitation: of two people with one telephone the one who was told last."""
    found: dict[str, Invited] = {}
    for one in invited:
        found.setdefault(cases[one.case_id].id, one)
    return list(found.values())


def _still_wanted(case: Case, known: _Known) -> bool:
    """Whether an answer to an older state of the case is as welcome now. Who has it may say anything of it; what takes
    something away from the resident is for a state that was seen."""
    if not case.open:
        return False
    if case.owner == f"person:{known.person}" or known.answer in (Answer.COMING, Answer.ARRIVED):
        return True
    return case.owner is None and known.answer in (Answer.ACCEPT, Answer.PASS_ON)


def _kindly(refused: Refused, case: Case | None, person: str, directory: CommunityDirectory) -> Words:
    """Why it was not done, as one says it to somebody who wanted to help."""
    if case is None:
        return words.NOTHING_OPEN
    if not case.at_work:
        return words.how_it_ended(case, directory)
    if case.owner not in (None, f"person:{person}"):
        return words.taken(case, directory)
    if refused.code == "stale":
        return words.moved_on(case, directory)
    return Words(refused.zh, refused.en)


def _in_language(text: Words, person: str | None, directory: CommunityDirectory) -> str:
    known = directory.person(person) if person is not None else None
    return words.said(text, known.language if known is not None else "zh")


def _result(kept: Kept) -> Result:
    return kept.result if kept.result in ("acted", "refused", "asked", "unknown_sender") else "failed"  # type: ignore[return-value]
