"""Explains a decision from what was kept: the registry, the journal, the alarms and what the desk did about them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange, Frozen
from gateway.journal.view import JournalView
from gateway.registry import store as registry_store
from gateway.registry.away import absence_of
from gateway.registry.directory import CommunityDirectory
from gateway.rules.check import names_in
from gateway.rules.document import RuleDocument
from gateway.rules.forms import DeviceInfo, subject_of
from gateway.rules.story import Story, Words, concerned, tell
from gateway.settings import Settings
from gateway.state import tables as t
from gateway.state.db import reading

_RULE: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
MESSAGES_MOST = 20_000
"""Of one lane: the newest of what the devices of a subject said."""
USUAL_LOOKBACK_S = 86_400
LOOKBACK_MOST_S = 31 * 86_400


class NothingToExplain(Exception):
    """What is asked for is not there. ``zh`` and ``en`` say what is, and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en


class Explanation(Frozen):
    """A story, and what people or other alarms had to do with it."""

    story: Story
    decided: AlarmChange | None
    """As it was really decided and kept, where an alarm is asked about."""
    case_id: str | None
    around: tuple[Words, ...]
    """What held it back or hid it: work on the device, another alarm, a storm."""
    journal_begins_ms: int | None
    """Before this nothing is known: the journal keeps so much."""


class Explainer:
    """Reads; changes nothing. Each question opens the journal for itself."""

    def __init__(self, engine: sa.Engine, settings: Settings) -> None:
        """``settings``: of the gateway whose journal is read."""
        self._engine = engine
        self._journal = settings.data_dir / "journal"
        self._itself = settings.gateway_device

    def alarm(self, alarm_id: int) -> Explanation:
        """Why this alarm was raised. Raises NothingToExplain, JournalError."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(t.alarms).where(t.alarms.c.id == alarm_id)).one_or_none()
        if row is None:
            raise NothingToExplain(
                f"没有报警 {alarm_id}", f"there is no alarm {alarm_id}: `anju cases list` shows them"
            )
        decided = AlarmChange.model_validate_json(row.body)
        return self._explain(row.rule, row.subject, row.raised_at_ms, USUAL_LOOKBACK_S, decided, row.case_id)

    def case(self, case_id: str) -> list[Explanation]:
        """Why each alarm of a case was raised. Raises NothingToExplain, JournalError."""
        with reading(self._engine) as connection:
            found = connection.execute(
                sa.select(t.alarms.c.id)
                .join(t.cases, t.cases.c.id == t.alarms.c.case_id)
                .where(sa.or_(t.cases.c.id == case_id, t.cases.c.number == case_id))
                .order_by(t.alarms.c.id)
            ).scalars()
            ids = list(found)
        if not ids:
            raise NothingToExplain(
                f"没有案卷 {case_id}，或其中没有报警", f"there is no case {case_id}, or it has no alarms"
            )
        return [self.alarm(alarm_id) for alarm_id in ids]

    def rule(self, rule: str, subject: str, at_ms: int, lookback_s: int = USUAL_LOOKBACK_S) -> Explanation:
        """Why there was an alarm of ``rule`` about ``subject`` at an instant, or why there was none.

        ``subject``: ``resident:…``, ``place:…`` or ``device:…``, or an id or a resident's name without these; a device
        stands for whomever its alarms are about.
        Raises NothingToExplain, JournalError.
        """
        return self._explain(rule, subject, at_ms, min(lookback_s, LOOKBACK_MOST_S), None, None)

    def _explain(
        self, rule_id: str, subject: str, at_ms: int, lookback_s: int, decided: AlarmChange | None, case_id: str | None
    ) -> Explanation:
        community = registry_store.load(self._engine)
        if community is None:
            raise NothingToExplain("尚未配置社区", "no community has been applied yet: run `anju apply FILE`")
        directory = CommunityDirectory(community, self._itself)
        rules = {rule.id: rule for rule in community.rules}
        if rule_id not in rules:
            known = ", ".join(sorted(rules))
            raise NothingToExplain(
                f"没有规则 {rule_id}；现有：{known}", f"there is no rule {rule_id!r}; there are {known}"
            )
        rule = rules[rule_id] if decided is None else self._as_it_was(rules[rule_id], decided.rule_version)
        devices: dict[str, DeviceInfo] = {}
        for device_id in directory.devices:
            info = directory.ruled(device_id)
            if info is not None:
                devices[device_id] = info
        subject = _subject(rule, _named(directory, subject), devices)
        near = concerned(rule, subject, devices)
        if not near:
            raise NothingToExplain(
                f"{subject} 没有设备", f"nothing is registered for {subject}: resident:…, place:… or device:… by its id"
            )
        from_ms = at_ms - lookback_s * 1000
        senders = [name for device in near for name in (device, *_hardware(directory, device))]
        view = JournalView(self._journal)
        try:
            said = [
                entry.observation
                for lane in Lane
                for entry in view.said_by(lane, senders, from_ms, at_ms, MESSAGES_MOST)
            ]
            begins = [first for lane in Lane if (first := view.first_received_ms(lane)) is not None]
        finally:
            view.close()
        said = [one for one in said if one.device in near]
        said.sort(key=_order)
        zone = ZoneInfo(community.community.timezone)
        story = tell(rule, subject, near, said, from_ms=from_ms, until_ms=at_ms, zone=zone)
        return Explanation(
            story=story,
            decided=decided,
            case_id=case_id,
            around=(
                *_away(directory, rule, subject),
                *self._around(rule_id, subject, list(near), from_ms, at_ms, zone),
            ),
            journal_begins_ms=min(begins, default=None),
        )

    def _as_it_was(self, rule: RuleDocument, version: int) -> RuleDocument:
        """The text of the rule that decided; today's where that is not known."""
        if rule.version == version:
            return rule
        h = t.rule_history.c
        query = sa.select(h.document).where(h.rule == rule.id, h.version == version).order_by(h.id.desc()).limit(1)
        with reading(self._engine) as connection:
            body = connection.execute(query).scalar_one_or_none()
        try:
            return rule if body is None else _RULE.validate_json(body)
        except ValidationError:
            return rule  # written by a version that knew other keys

    def _around(
        self, rule: str, subject: str, devices: list[str], from_ms: int, until_ms: int, zone: ZoneInfo
    ) -> list[Words]:
        """What the desk knows of it: alarms of that time, and work on the devices."""
        found: list[Words] = []
        h, a, w = t.device_history.c, t.alarms.c, t.withheld.c
        with reading(self._engine) as connection:
            lines = connection.execute(
                sa.select(h.device, h.what, h.at_ms)
                .where(h.device.in_(devices), h.at_ms.between(from_ms, until_ms))
                .where(h.what.in_(("hidden", "maintenance", "test", "retired", "replaced")))
                .order_by(h.id.desc())
                .limit(20)
            ).all()
            raised = connection.execute(
                sa.select(t.cases.c.number, a.raised_at_ms, a.cleared_at_ms)
                .join(t.cases, t.cases.c.id == a.case_id)
                .where(a.rule == rule, a.subject == subject, a.raised_at_ms <= until_ms)
                .where(sa.or_(a.cleared_at_ms.is_(None), a.cleared_at_ms >= from_ms))
                .order_by(a.id.desc())
                .limit(5)
            ).all()
            held = (
                connection.execute(
                    sa.select(t.cases.c.number)
                    .join(t.withheld, w.by_case == t.cases.c.id)
                    .where(w.rule == rule, w.subject == subject)
                )
                .scalars()
                .all()
            )
            v = t.registry_revisions.c
            changed = connection.execute(
                sa.select(sa.func.count(), sa.func.max(v.applied_at_ms)).where(
                    v.applied_at_ms.between(from_ms, until_ms), v.revision > 1
                )
            ).one()
        if changed[0]:
            at = datetime.fromtimestamp(changed[1] / 1000, UTC).astimezone(zone).isoformat(sep=" ", timespec="seconds")
            found.append(
                Words(
                    f"其间规则或名册改过 {changed[0]} 次（最后一次 {at[:19]}）；以下按现在的规则和名册推演",
                    f"rules or registry were changed {changed[0]} times meanwhile, last at {at[:19]}: "
                    "the steps are worked out by those of today",
                )
            )
        for case in held:
            found.append(Words(f"因案卷 {case} 的报警而暂不通知", f"held back while an alarm of case {case} stands"))
        for line in lines:
            zh, en = _LINE_WORDS[line.what]
            found.append(Words(f"{line.device}：{zh}", f"{line.device}: {en}"))
        for row in raised:
            stands = row.cleared_at_ms is None or row.cleared_at_ms > until_ms
            zh, en = ("当时有报警", "an alarm stood then") if stands else ("此前有报警", "an alarm stood before")
            found.append(Words(f"{zh}：案卷 {row.number}", f"{en}: case {row.number}"))
        return found


_LINE_WORDS = {
    "hidden": Words("检修或测试期间，报警未通知", "an alarm was told to nobody: it was being worked on"),
    "maintenance": Words("进入检修", "maintenance began"),
    "test": Words("进入测试", "a test began"),
    "retired": Words("已停用", "was retired"),
    "replaced": Words("已更换", "was replaced"),
}


def _away(directory: CommunityDirectory, rule: RuleDocument, subject: str) -> list[Words]:
    """That the resident is away, and who said so, where the rule asks for it."""
    resident = directory.resident(subject.removeprefix("resident:"))
    absence = absence_of(resident, directory.calendar.zone) if resident is not None else None
    if absence is None or "resident.away" not in names_in(rule)[0]:
        return []
    zh, en = absence.says
    by = absence.by or "files"
    return [Words(f"本人登记外出（{zh}），登记人 {by}", f"the resident is away ({en}), said by {by}")]


def _order(observation: Observation) -> tuple[int, int]:
    return observation.received_at_ms, 0 if observation.lane is Lane.URGENT else 1


def _hardware(directory: CommunityDirectory, device: str) -> list[str]:
    known = directory.device(device)
    return [known.address] if known is not None and known.address else []


def _named(directory: CommunityDirectory, subject: str) -> str:
    """A resident's name or id, or a place's id, as a subject; all else as it is.

    Raises NothingToExplain for a name that several residents bear.
    """
    if ":" in subject or subject in directory.devices:
        return subject
    if directory.place(subject) is not None:
        return f"place:{subject}"
    found = [one.id for one in directory.community.residents if subject in (one.id, one.name)]
    if len(found) > 1:
        which = ", ".join(f"resident:{one}" for one in found)
        raise NothingToExplain(f"有几位居民叫 {subject}：{which}", f"several residents are called {subject}: {which}")
    return f"resident:{found[0]}" if found else subject


def _subject(rule: RuleDocument, subject: str, devices: dict[str, DeviceInfo]) -> str:
    """Whom an alarm would be about, where a device is named instead."""
    kind, _, name = subject.partition(":")
    if kind in ("resident", "place"):
        return _asked_about(rule, subject, devices)
    device = devices.get(name if kind == "device" else subject)
    if device is None:
        return subject
    return subject_of(rule, device)


def _asked_about(rule: RuleDocument, subject: str, devices: dict[str, DeviceInfo]) -> str:
    """The same home, by whom the rule's alarms are about: a rule over places knows nothing of residents.

    Raises NothingToExplain where the rule would tell of several there.
    """
    kind, _, name = subject.partition(":")
    there = [one for one in devices.values() if (one.resident if kind == "resident" else one.place) == name]
    about = {subject_of(rule, one) for one in there if one.kind in rule.kinds}
    if subject in about or not about:
        return subject
    if len(about) == 1:
        return about.pop()
    several = ", ".join(sorted(about)[:20])
    raise NothingToExplain(
        f"规则 {rule.id} 的报警不针对 {subject}，请改问其中之一：{several}",
        f"alarms of rule {rule.id} are not about {subject}: ask about one of {several}",
    )
