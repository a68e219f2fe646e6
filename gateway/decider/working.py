"""Work that people open, and actions on two cases at once: looked up, decided and written in one transaction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from gateway.cases import linking, opening
from gateway.cases.commands import HumanAction, Refused
from gateway.cases.model import Case
from gateway.cases.policy import Ladder
from gateway.cases.report import Report, Source
from gateway.cases.work import WorkType
from gateway.decider import case_rows
from gateway.registry.atlas import atlas_of
from gateway.registry.geo import wgs84
from gateway.state import tables as t
from gateway.state.db import insert
from gateway.state.human_tables import reported

if TYPE_CHECKING:
    from gateway.decider.decision import Decision

TWO_CASES = ("merge", "split", "reopen")
_SOURCES = {"kiosk": Source.KIOSK, "service_button": Source.SERVICE}


def source_of(kind: str | None) -> Source:
    """How a case came in that a device of this kind opened."""
    return _SOURCES.get(kind or "", Source.ALARM)


def report(decision: Decision, said: Report) -> Case:
    """Open a case for a report; the case it opened where it was posted before. Raises Refused."""
    digest = hashlib.sha256(said.model_dump_json(exclude={"actor", "happened_at_ms"}).encode()).hexdigest()
    known = _opened_by(decision, said.key, digest)
    if known is not None:
        return known
    work = _work(decision, said.work)
    where = _where(decision, said)
    case_id, number = decision.new_case()
    _note(decision, said.key, digest, case_id)
    moved = opening.open_report(
        case_id=case_id,
        number=number,
        report=where,
        work=work,
        ladder=_ladder(decision, work),
        directory=decision.view.directory,
        now_ms=decision.now_ms,
    )
    return decision.apply(None, moved)


def on_two(decision: Decision, case: Case, action: HumanAction) -> Case:
    """Merge, split, take up again. Returns the case acted upon, whose links name the other one. Raises KeyError for an
    unknown case to merge into, commands.Refused."""
    if action.action == "merge":
        return _merge(decision, case, action)
    if action.action == "split":
        return _split(decision, case, action)
    case_id, number = decision.new_case()
    older, new = opening.reopen(
        case,
        action,
        case_id=case_id,
        number=number,
        ladder=decision.view.ladders.get(case.ladder.id, case.ladder),
        directory=decision.view.directory,
        now_ms=decision.now_ms,
    )
    decision.apply(None, new)
    return decision.apply(case, older)


def _merge(decision: Decision, case: Case, action: HumanAction) -> Case:
    into = case_rows.load(decision.connection, action.into.strip()) if action.into.strip() else None
    if into is None:
        raise Refused(
            "no_such_case", f"没有案卷“{action.into}”，请填要并入的案卷号", f"there is no case {action.into!r}"
        )
    before = linking.merged_into(case)
    if before is not None and before.case == into.id:
        return case  # sent twice
    if before is not None:
        raise Refused("already_merged", f"已并入案卷 {before.number}", f"it was merged into case {before.number}")
    mine, its = opening.merge(case, into, action, decision.view.directory, decision.now_ms)
    merged = decision.apply(case, mine)
    decision.apply(into, its)
    # What comes of its alarms, and of what is still to be said or done, concerns the other case from now on.
    for table, going_on in (
        (t.alarms, t.alarms.c.cleared_at_ms.is_(None)),
        (t.outbox, t.outbox.c.status.in_(("pending", "sending"))),
    ):
        decision.connection.execute(
            sa.update(table).where(table.c.case_id == case.id, going_on).values(case_id=into.id)
        )
    return merged


def _split(decision: Decision, case: Case, action: HumanAction) -> Case:
    key, digest = f"split:{case.id}:{action.key}", hashlib.sha256(action.reason.encode()).hexdigest()
    if action.key and _opened_by(decision, key, digest) is not None:
        return case
    work = _work(decision, action.work) if action.work or case.work is None else case.work
    case_id, number = decision.new_case()
    older, new = opening.split(
        case,
        action,
        case_id=case_id,
        number=number,
        work=work,
        ladder=_ladder(decision, work),
        directory=decision.view.directory,
        now_ms=decision.now_ms,
    )
    if action.key:
        _note(decision, key, digest, case_id)
    decision.apply(None, new)
    return decision.apply(case, older)


def _opened_by(decision: Decision, key: str, digest: str) -> Case | None:
    row = decision.connection.execute(sa.select(reported).where(reported.c.key == key)).one_or_none()
    if row is None:
        return None
    if row.digest != digest:
        raise Refused(
            "key_reused",
            "此编号（key）已用于另一件上报，请换一个",
            "this key was used for another report: what is another thing needs another key",
        )
    return case_rows.load(decision.connection, row.case_id)


def _note(decision: Decision, key: str, digest: str, case_id: str) -> None:
    values = {"key": key, "digest": digest, "case_id": case_id, "at_ms": decision.now_ms}
    done = decision.connection.execute(
        insert(decision.connection, reported)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(reported.c.key)
    )
    if done.scalar_one_or_none() is None:
        raise case_rows.Conflict(f"{key} is being reported by another gateway")


def _work(decision: Decision, wanted: str) -> WorkType:
    table = decision.view.directory.work
    work = table.get(wanted)
    if work is None or not work.reportable:
        known = [row for row in table.values() if row.reportable]
        raise Refused(
            "no_such_work",
            f"没有事项类型“{wanted}”；可选：{'、'.join(f'{row.zh} {row.id}' for row in known)}",
            f"there is no type of work {wanted!r}; there are {', '.join(row.id for row in known)}",
        )
    return work


def _ladder(decision: Decision, work: WorkType) -> Ladder:
    """Who is told: the ladder the type names; one that is gone meanwhile is no reason to tell nobody."""
    named = decision.view.ladders.get(work.ladder or "")
    if named is not None:
        return named
    if work.role or work.organisation:
        return work.own_ladder
    raise Refused(
        "no_ladder",
        f"事项类型“{work.zh}”的通知步骤 {work.ladder} 不存在，请管理员修正",
        f"type of work {work.id} names ladder {work.ladder}, which is gone: mend the community's files",
    )


def _where(decision: Decision, said: Report) -> Report:
    """The report with the place it means: as named, that of the pole, that of the coordinates, or the resident's home.
    Raises Refused."""
    directory = decision.view.directory
    if said.place is not None and directory.place(said.place) is None:
        raise Refused("no_such_place", f"没有地点 {said.place}", f"there is no place {said.place!r}")
    if said.resident is not None and directory.resident(said.resident) is None:
        raise Refused("no_such_resident", f"没有居民 {said.resident}", f"there is no resident {said.resident!r}")
    place = said.place
    if said.pole:
        found = atlas_of(directory).find(said.pole)
        if len(found) != 1:
            some = "、".join(f"{one.name.zh} {one.id}" for one in found[:5])
            raise Refused(
                "no_such_pole" if not found else "which_pole",
                f"杆号“{said.pole}”{f'不唯一：{some}' if found else '查无此杆'}，请核对",
                f"pole {said.pole!r} {f'may be {len(found)} places: {some}' if found else 'is not known'}",
            )
        place = place or found[0].id
    if place is None and said.position is not None:
        near = atlas_of(directory).place_at(wgs84(said.position))
        place = near.place.id if near is not None else None
    if place is None and said.resident is not None:
        place = directory.home_of(said.resident)
    return said.model_copy(update={"place": place})
