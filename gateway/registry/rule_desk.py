"""Rules made and changed at the running gateway: created, edited, switched, tried out, restored, deleted.

A good rule is never replaced by a bad one: the rule is tried on its examples and the whole community is checked with it
before anything is written; then rule, its line in the history and a revision of the registry are written in one
transaction, and the decider follows. The rows are marked as those of devices are (`gateway.registry.desk`): applying
the files keeps them.

An edit says which version it goes on from. Another text is another version, so that an alarm's version tells for ever
what decided it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import sqlalchemy as sa
from pydantic import ValidationError

from gateway.alarms import ALARM_TYPES
from gateway.registry import desk, rule_history, store
from gateway.registry.finding import Finding
from gateway.registry.load import rules_of
from gateway.registry.model import Community
from gateway.registry.problem import Problem, did_you_mean
from gateway.registry.rule_history import RuleLine, What
from gateway.registry.rule_text import Draft
from gateway.registry.ruled import ruled_devices
from gateway.registry.sources import Entry
from gateway.rules.document import RuleDocument
from gateway.rules.reach import unreached

SECTION = rule_history.SECTION
Switch = Literal["enable", "disable", "shadow", "live"]
_SWITCHED: dict[Switch, tuple[What, dict[str, bool]]] = {
    "enable": ("enabled", {"enabled": True}),
    "disable": ("disabled", {"enabled": False}),
    "shadow": ("shadowed", {"enabled": True, "shadow": True}),
    "live": ("live", {"enabled": True, "shadow": False}),
}
VERSION_MOST = 2**31 - 1


class RuleRefused(Exception):
    """A change that is not made; ``problems`` says all that stands against it."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class NoSuchRule(RuleRefused):
    """There is no such rule, or no such version of it."""


class Taken(RuleRefused):
    """There is a rule of this id."""


class Stale(RuleRefused):
    """Somebody else changed the rule meanwhile."""


@dataclass(frozen=True, slots=True)
class RuleEdit:
    """A rule as it was and as it is to be."""

    before: RuleDocument | None
    after: RuleDocument | None
    what: What
    entry: Entry | None = None
    """The text it was read from."""


@dataclass(frozen=True, slots=True)
class RuleDone:
    """What was changed."""

    rule: RuleDocument | None
    """As it is now; None for one that was deleted."""
    what: What | None
    """None where nothing had to be changed."""
    revision: int
    warnings: tuple[Problem, ...]
    """What is allowed and yet worth a look."""


RulePlan = Callable[[sa.Connection, Community], RuleEdit]
"""What to do; asked again where the registry moved meanwhile. Raises RuleRefused."""


def carry_out(engine: sa.Engine, plan: RulePlan, actor: str, now_ms: int, *, dry_run: bool = False) -> RuleDone:
    """Do what ``plan`` says, or nothing. No change writes no revision; ``dry_run`` only checks.

    Raises RuleRefused with every problem there is; desk.NoCommunity.
    """

    def consider(
        connection: sa.Connection, community: Community
    ) -> desk.Considered[tuple[RuleEdit, tuple[Problem, ...]]]:
        edit = plan(connection, community)
        if edit.before == edit.after:
            return (edit, ()), None
        warnings = _judge(community, edit)
        if dry_run:
            return (edit, warnings), None
        return (edit, warnings), lambda writing: _write(writing, edit, actor, now_ms)

    (edit, warnings), revision = desk.settle(engine, consider)
    return RuleDone(edit.after, None if edit.before == edit.after else edit.what, revision, warnings)


def _judge(community: Community, edit: RuleEdit) -> tuple[Problem, ...]:
    """Can the rule run, and does everything still fit together with it? Switching off is never refused."""
    rule, before = edit.after, edit.before
    known = {one.id: one for one in community.rules}
    if rule is None:
        assert before is not None
        known.pop(before.id)
    else:
        known[rule.id] = rule
    entry = edit.entry or Entry("", (), {}, 0)
    found = desk.fresh(community, community.model_copy(update={"rules": tuple(known.values())}))
    index = list(known).index(rule.id) if rule is not None else -1
    problems = [_problem(entry, finding, fault.entry, mine=index) for finding, fault in found]
    if rule is not None and edit.what != "disabled":
        if edit.entry is None:  # one that was read from a text has been tried there
            problems += rules_of([Entry("", (), rule.model_dump(mode="json"), 0)])[1]
        errors = [problem for problem in problems if problem.level == "error"]
        if errors:
            raise RuleRefused(*errors)
    said = _unwatched(edit)
    warnings = [replace(problem, level="warning") for problem in problems]
    if rule is not None and edit.what != "disabled":
        devices = ruled_devices(community).values()
        warnings += [entry.problem(place, why, warning=True) for place, why in unreached(rule, devices)]
    return (*([] if said is None else [entry.problem((), said, warning=True)]), *warnings)


def _problem(entry: Entry, finding: Finding, named: str, *, mine: int) -> Problem:
    warning = finding.level == "warning"
    if finding.section == SECTION and finding.index == mine:
        return entry.problem(finding.path, finding.message, warning=warning)
    return Problem(
        level=finding.level, file="", line=0, key=f"{finding.section} {named}".strip(), message=finding.message
    )


def _unwatched(edit: RuleEdit) -> str | None:
    """What people must know who take a rule for life safety out of force."""
    before, after = edit.before, edit.after
    if before is None or not before.enabled or before.shadow or not ALARM_TYPES[before.raises.type].life_safety:
        return None
    if after is not None and after.enabled and not after.shadow:
        return None
    return f"{before.raises.type} is life safety: nobody is told of it by rule {before.id} any more"


def _write(connection: sa.Connection, edit: RuleEdit, actor: str, now_ms: int) -> int:
    rule = edit.after or edit.before
    assert rule is not None
    body = rule.model_dump_json()
    rule_history.rule_of(body)  # whatever went wrong before: the registry must always be readable
    key = (SECTION, rule.id)
    store.replace_rows(connection, [key], {key: body} if edit.after is not None else {}, store.DESK)
    old = edit.before.model_dump_json() if edit.before is not None else None
    summary = rule_history.summary(old, body)
    rule_history.write(
        connection,
        RuleLine(
            rule=rule.id,
            version=rule.version,
            at_ms=now_ms,
            actor=actor,
            what=edit.what,
            document=body,
            summary=summary,
        ),
    )
    sign = "+1" if edit.before is None else "-1" if edit.after is None else "~1"
    said = f"rules {sign} ({rule.id} {edit.what}{f': {summary}' if summary else ''})"
    return store.write_revision(connection, actor, said, now_ms)


# -- what can be done to a rule


def create(draft: Draft) -> RulePlan:
    """A new rule; of one that was deleted, the version goes on."""

    def plan(connection: sa.Connection, community: Community) -> RuleEdit:
        rule = draft.rule
        if any(known.id == rule.id for known in community.rules):
            said = f"{rule.id} is given twice: there is a rule of this id; choose another, or edit that one"
            raise Taken(draft.entry.problem(("id",), said))
        return RuleEdit(None, _versioned(connection, rule), "created", draft.entry)

    return plan


def edit(rule_id: str, draft: Draft, based_on: int | None = None) -> RulePlan:
    """Another text for a rule. ``based_on``: the version that was changed; else the one that stands in the text.

    What the text does not say of ``enabled`` and ``shadow`` stays as it is.
    """

    def plan(connection: sa.Connection, community: Community) -> RuleEdit:
        before = find(community, rule_id)
        if draft.rule.id != rule_id:
            said = f"expected the same id, {rule_id}: alarms are kept under it; create another rule and switch this off"
            raise RuleRefused(draft.entry.problem(("id",), said))
        _on_top_of(before, draft.version if based_on is None else based_on, draft.entry)
        switches = {
            "enabled": before.enabled if draft.enabled is None else draft.enabled,
            "shadow": before.shadow if draft.shadow is None else draft.shadow,
        }
        after = draft.rule.model_copy(update={**switches, "version": before.version})
        if _other(before, after):
            return RuleEdit(before, _versioned(connection, after), "edited", draft.entry)
        return RuleEdit(before, after, _named(before, after), draft.entry)

    return plan


def switch(rule_id: str, how: Switch) -> RulePlan:
    """On, off, tried out (it decides and is counted, nobody is told), in force. The text stays, and so the version."""

    def plan(_: sa.Connection, community: Community) -> RuleEdit:
        before = find(community, rule_id)
        what, switches = _SWITCHED[how]
        return RuleEdit(before, before.model_copy(update=switches), what)

    return plan


def restore(rule_id: str, version: int, based_on: int | None = None) -> RulePlan:
    """What an earlier version said, as a new version; also of a rule that was deleted."""

    def plan(connection: sa.Connection, community: Community) -> RuleEdit:
        before = next((rule for rule in community.rules if rule.id == rule_id), None)
        line = rule_history.line(connection, rule_id, version)
        if line is None:
            if before is None and not rule_history.latest_version(connection, rule_id):
                find(community, rule_id)
            raise NoSuchRule(_said("version", f"there is no version {version} of rule {rule_id}; see its history"))
        try:
            earlier = rule_history.rule_of(line.document)
        except ValidationError:
            said = f"version {version} was written for an older release, which knew other keys; edit its text instead"
            raise RuleRefused(_said("version", said)) from None
        if before is not None:
            if based_on is not None:
                _on_top_of(before, based_on, None)
            earlier = earlier.model_copy(update={"enabled": before.enabled, "shadow": before.shadow})
            if not _other(before, earlier):
                return RuleEdit(before, before, "restored")
        return RuleEdit(before, _versioned(connection, earlier), "restored")

    return plan


def delete(rule_id: str) -> RulePlan:
    """The rule is gone, and what it had raised ends; its history stays."""

    def plan(_: sa.Connection, community: Community) -> RuleEdit:
        return RuleEdit(find(community, rule_id), None, "deleted")

    return plan


def find(community: Community, rule_id: str) -> RuleDocument:
    """Raises NoSuchRule."""
    for rule in community.rules:
        if rule.id == rule_id:
            return rule
    near = did_you_mean(rule_id, (rule.id for rule in community.rules))
    raise NoSuchRule(_said("id", f"there is no rule {rule_id}; see: anju rules list{near}"))


def _said(key: str, message: str) -> Problem:
    return Problem(file="", line=0, key=key, message=message)


def _on_top_of(before: RuleDocument, based_on: int | None, entry: Entry | None) -> None:
    at = entry or Entry("", (), {}, 0)
    if based_on is None:
        said = f"missing; add version: {before.version}, the version that this text goes on from"
        raise RuleRefused(at.problem(("version",), said))
    if based_on != before.version:
        said = (
            f"version {before.version} is in force, this goes on from {based_on}: somebody else changed the rule "
            "meanwhile; look at it again"
        )
        raise Stale(at.problem(("version",), said))


def _versioned(connection: sa.Connection, rule: RuleDocument) -> RuleDocument:
    """The rule with the version of its text: that of the newest line where it says the same, else one more."""
    latest = rule_history.latest_version(connection, rule.id)
    if not latest:
        return rule
    line = rule_history.line(connection, rule.id, latest)
    if line is not None and not rule_history.other_text(line.document, rule):
        return rule.model_copy(update={"version": latest})
    if latest >= VERSION_MOST:
        said = f"expected at most {VERSION_MOST} versions; create a rule of another id"
        raise RuleRefused(_said("version", said))
    return rule.model_copy(update={"version": latest + 1})


def _other(before: RuleDocument, after: RuleDocument) -> bool:
    return rule_history.other_text(before.model_dump_json(), after)


def _named(before: RuleDocument, after: RuleDocument) -> What:
    if before.enabled != after.enabled:
        return "enabled" if after.enabled else "disabled"
    return "shadowed" if after.shadow else "live"
