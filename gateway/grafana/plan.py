"""From what is wanted and what is there to the steps between, in the order in which they must be taken. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.grafana.compare import differences
from gateway.grafana.model import (
    OWN,
    PERMISSION_NAMES,
    SERVICE_ACCOUNT,
    Action,
    Found,
    FoundDashboard,
    FoundFolder,
    Grant,
    Json,
    Part,
    Step,
    Wanted,
    WantedDashboard,
    WantedFolder,
)
from gateway.grafana.policy import other_users, own_route

_BY_FILE = "provisioned by a file: changed there, not here"
_PROVENANCES = {"file": _BY_FILE, "converted_prometheus": "imported from Prometheus: not Anju's"}


def plan(wanted: Wanted, found: Found) -> list[Step]:
    """Every thing of Anju's, with what is to be done with it. The same two always give the same list.

    A folder is closed before a dashboard is put into it: health data is never open, not even for a moment. What alerts
    need stands before they do.
    """
    return [
        *_closed(wanted, found),
        *_data_source(wanted, found),
        *_teams(wanted, found),
        *_account(wanted, found),
        *(step for folder in wanted.folders for step in _folder(folder, found)),
        *(_dashboard(one, found) for one in wanted.dashboards if Part.DASHBOARDS not in found.closed),
        *_retired_dashboards(wanted, found),
        *_alerts(wanted, found),
    ]


def removal(found: Found, *, also: Iterable[str] = ()) -> list[Step]:
    """The steps that take away everything Anju has made, the last first. ``also``: uids of folders that are Anju's."""
    nothing = Wanted()
    return [
        *_closed(nothing, found),
        *_policy(nothing, found),
        *_retired_rules(nothing, found, ()),
        *_contact_point(nothing, found),
        *_retired_dashboards(nothing, found, ()),
        *(_without(found.folders[uid]) for uid in also if uid in found.folders),
        *_data_source(nothing, found),
        *(
            Step(
                Action.LEAVE, Part.TEAMS, name, name, ("people may be in it: delete it in Grafana if nobody needs it",)
            )
            for name in sorted(found.teams)
        ),
        *([Step(Action.DELETE, Part.ACCOUNT, SERVICE_ACCOUNT, SERVICE_ACCOUNT)] if found.account is not None else []),
    ]


def _closed(wanted: Wanted, found: Found) -> Iterator[Step]:
    for part in Part:
        if part in found.closed and not (wanted.no_alerts and part in _OF_ALERTS):
            yield Step(Action.LEAVE, part, "", "", (f"this token may not look at it ({found.closed[part]})",))


_OF_ALERTS = (Part.CONTACT_POINT, Part.POLICY, Part.RULES)


def _data_source(wanted: Wanted, found: Found) -> Iterator[Step]:
    part = Part.DATA_SOURCE
    if part in found.closed:
        return
    body, there = wanted.data_source, found.data_source
    if body is None:
        if there is not None:
            leave = bool(there.get("readOnly"))
            action, why = (Action.LEAVE, (_BY_FILE,)) if leave else (Action.DELETE, ())
            yield Step(action, part, str(there["uid"]), str(there.get("name", "")), why)
        return
    uid, title = str(body["uid"]), str(body["name"])
    if there is None:
        yield Step(Action.CREATE, part, uid, title, (f"{body['type']} {body['url']}",), body)
    elif there.get("readOnly"):
        yield Step(Action.LEAVE, part, uid, title, (_BY_FILE,))
    else:
        compared = {key: value for key, value in body.items() if key not in ("secureJsonData", "uid")}
        yield _changed(part, uid, title, differences(compared, there), body)


def _teams(wanted: Wanted, found: Found) -> Iterator[Step]:
    if Part.TEAMS not in found.closed:
        for name in wanted.teams:
            yield Step(Action.KEEP if name in found.teams else Action.CREATE, Part.TEAMS, name, name)


def _account(wanted: Wanted, found: Found) -> Iterator[Step]:
    if wanted.account and Part.ACCOUNT not in found.closed:
        if found.account is not None:
            yield Step(Action.KEEP, Part.ACCOUNT, SERVICE_ACCOUNT, SERVICE_ACCOUNT)
        else:
            why = ("no basic role; admin of Anju's own folders and of nothing else",)
            yield Step(Action.CREATE, Part.ACCOUNT, SERVICE_ACCOUNT, SERVICE_ACCOUNT, why)


def _folder(folder: WantedFolder, found: Found) -> Iterator[Step]:
    if Part.FOLDERS in found.closed:
        return
    there = found.folders.get(folder.uid)
    if there is None:
        yield Step(Action.CREATE, Part.FOLDERS, folder.uid, folder.title, (), folder)
    else:
        yield _changed(Part.FOLDERS, folder.uid, folder.title, differences(folder.title, there.title, "title"), folder)
    if there is not None and there.grants is None:
        why = "this token may not look at its permissions"
        yield Step(Action.LEAVE, Part.PERMISSIONS, folder.uid, folder.title, (why,))
        return
    before = there.grants if there is not None and there.grants is not None else frozenset[Grant]()
    after = granted(folder, before, found)
    lines = [f"+ {_said(grant)}" for grant in folder.grants if grant in after - before]
    lines += [f"- {_said(grant)}" for grant in sorted(before - after, key=_said)]
    action = Action.CREATE if there is None else Action.CHANGE if lines else Action.KEEP
    yield Step(action, Part.PERMISSIONS, folder.uid, folder.title, tuple(lines), folder)


def granted(folder: WantedFolder, before: frozenset[Grant], found: Found) -> frozenset[Grant]:
    """What is granted in the folder afterwards.

    A token that may not see teams cannot let in a team that is not in already. Whom somebody has let in by name stays,
    except in a folder that is strict.
    """
    wanted = {
        grant
        for grant in folder.grants
        if grant in before
        or not ((grant.team and Part.TEAMS in found.closed) or (grant.account and Part.ACCOUNT in found.closed))
    }
    if folder.strict:
        return frozenset(wanted)
    named = {(grant.team, grant.user, grant.account) for grant in wanted}
    return frozenset(wanted) | {
        grant for grant in before if not grant.role and (grant.team, grant.user, grant.account) not in named
    }


def _said(grant: Grant) -> str:
    return f"{grant.who}: {PERMISSION_NAMES.get(grant.permission, grant.permission)}"


def _dashboard(wanted: WantedDashboard, found: Found) -> Step:
    part, there = Part.DASHBOARDS, found.dashboards.get(wanted.uid)
    if there is None:
        return Step(Action.CREATE, part, wanted.uid, wanted.title, (), wanted)
    if there.provisioned:
        return Step(Action.LEAVE, part, wanted.uid, wanted.title, (_BY_FILE,))
    lines = differences(wanted.folder, there.folder, "folder")
    if there.message != wanted.mark:
        ours = there.message.startswith("anju ")
        lines.append("a new edition" if ours else f"changed in Grafana by {there.by or 'somebody'}: will be replaced")
    return _changed(part, wanted.uid, wanted.title, lines, wanted)


def _retired_dashboards(
    wanted: Wanted, found: Found, why: tuple[str, ...] = ("Anju has this board no longer",)
) -> Iterator[Step]:
    current = {one.uid for one in wanted.dashboards}
    for uid, there in sorted(found.dashboards.items()):
        if uid not in current and _is_own(there):
            yield Step(Action.DELETE, Part.DASHBOARDS, uid, there.title, why)


def _is_own(there: FoundDashboard) -> bool:
    return there.uid.startswith(OWN) and there.folder.startswith(OWN) and not there.provisioned


def _without(folder: FoundFolder) -> Step:
    if folder.strangers:
        why = f"{folder.strangers} dashboards in it are not Anju's"
        return Step(Action.LEAVE, Part.FOLDERS, folder.uid, folder.title, (why,))
    return Step(Action.DELETE, Part.FOLDERS, folder.uid, folder.title)


# --- alerts -----------------------------------------------------------------------------------------------------------


def _alerts(wanted: Wanted, found: Found) -> Iterator[Step]:
    if wanted.no_alerts:
        yield Step(Action.LEAVE, Part.CONTACT_POINT, "", "", (wanted.no_alerts,))
        return
    yield from _contact_point(wanted, found)
    yield from _policy(wanted, found)
    if Part.RULES not in found.closed:
        for rule in wanted.rules:
            yield _rule(rule, found.rules.get(str(rule["uid"])))
    yield from _retired_rules(wanted, found)


def _contact_point(wanted: Wanted, found: Found) -> Iterator[Step]:
    part = Part.CONTACT_POINT
    if part in found.closed:
        return
    body, there = wanted.contact_point, found.contact_point
    provenance = _PROVENANCES.get(str((there or {}).get("provenance", "")))
    if body is None:
        if there is not None:
            used = other_users(found.policies) if found.policies is not None else 0
            why = provenance or (f"{used} policies of others lead to it" if used else "")
            action = Action.LEAVE if why else Action.DELETE
            yield Step(action, part, str(there["uid"]), str(there["name"]), (why,) if why else ())
        return
    uid, title = str(body["uid"]), str(body["name"])
    if there is None:
        yield Step(Action.CREATE, part, uid, title, (f"webhook {body['settings']['url']}",), body)
    elif provenance:
        yield Step(Action.LEAVE, part, uid, title, (provenance,))
    else:
        settings = {key: value for key, value in body["settings"].items() if key != "authorization_credentials"}
        yield _changed(part, uid, title, differences({**body, "settings": settings}, there), body)


def _policy(wanted: Wanted, found: Found) -> Iterator[Step]:
    part, tree, route = Part.POLICY, found.policies, wanted.route
    if part in found.closed or tree is None:
        return
    there = own_route(tree)
    title = "anju_device =~ .+ → anju"
    if tree.get("provenance") in _PROVENANCES and (route is None or there is None or differences(route, there)):
        yield Step(Action.LEAVE, part, "anju", title, (_PROVENANCES[tree["provenance"]],))
    elif route is None:
        if there is not None:
            yield Step(Action.DELETE, part, "anju", title, ("all other policies stay as they are",))
    elif there is None:
        yield Step(Action.CREATE, part, "anju", title, ("all other policies stay as they are",), route)
    else:
        yield _changed(part, "anju", title, differences(route, there), route)


def _rule(rule: Json, there: Json | None) -> Step:
    uid, title = str(rule["uid"]), str(rule["title"])
    if there is None:
        return Step(Action.CREATE, Part.RULES, uid, title, (), rule)
    provenance = _PROVENANCES.get(str(there.get("provenance", "")))
    if provenance:
        return Step(Action.LEAVE, Part.RULES, uid, title, (provenance,))
    # Whoever pauses a rule in Grafana means it; Grafana's number of the organisation is its own.
    compared = {key: value for key, value in rule.items() if key not in ("isPaused", "orgID")}
    body = {**rule, "isPaused": bool(there.get("isPaused"))}
    return _changed(Part.RULES, uid, title, differences(compared, there), body)


def _retired_rules(
    wanted: Wanted, found: Found, why: tuple[str, ...] = ("Anju has this rule no longer",)
) -> Iterator[Step]:
    current = {str(rule["uid"]) for rule in wanted.rules}
    for uid, there in sorted(found.rules.items()):
        if uid in current or not uid.startswith(OWN) or not str(there.get("folderUID", "")).startswith(OWN):
            continue
        title, provenance = str(there.get("title", uid)), _PROVENANCES.get(str(there.get("provenance", "")))
        if provenance:
            yield Step(Action.LEAVE, Part.RULES, uid, title, (provenance,))
        else:
            yield Step(Action.DELETE, Part.RULES, uid, title, why)


def _changed(part: Part, key: str, title: str, lines: list[str], body: object) -> Step:
    return Step(Action.CHANGE if lines else Action.KEEP, part, key, title, tuple(lines), body)
