"""Grafana over its HTTP API, by grafana-client: reads what is there of Anju's, and takes one step at a time.

grafana-client is an extra (``anju[grafana]``) and is loaded when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from dashboards.alerting import CONTACT_POINT, DATA_SOURCE
from gateway.grafana.model import (
    OWN,
    SERVICE_ACCOUNT,
    TAG,
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
from gateway.grafana.plan import granted
from gateway.grafana.policy import with_route, without_route

INSTALL = "URLLIB3_NO_OVERRIDE=1 pip install --no-binary urllib3-future 'anju[grafana]'"
TIMEOUT_S = 20.0
_PAGE = 1000


class GrafanaError(Exception):
    """Grafana did not do it; says what and what to do."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


class Missing(GrafanaError):
    """grafana-client is not installed."""


class Grafana:
    """One Grafana, as one token or one administrator sees it. Every method raises GrafanaError."""

    def __init__(self, url: str, credential: str) -> None:
        """``credential``: a service account's token, or ``user:password`` of an administrator."""
        try:
            from grafana_client.api import GrafanaApi
            from grafana_client.client import GrafanaException
            from niquests.exceptions import RequestException
        except ImportError as error:
            raise Missing(f"grafana-client is not installed ({error}): {INSTALL}") from None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise GrafanaError(f"{url!r} is no address of Grafana; expected such as https://grafana.example")
        user, colon, password = credential.partition(":")
        path = parts.path.strip("/")
        self._api: Any = GrafanaApi(
            (user, password) if colon else credential,
            host=parts.hostname,
            port=parts.port,
            url_path_prefix=f"{path}/" if path else "",
            protocol=parts.scheme,
            timeout=TIMEOUT_S,
        )
        self._url = url
        self._refused, self._unreachable = GrafanaException, RequestException

    def close(self) -> None:
        """Give the connections back."""
        self._api.client.s.close()

    def version(self) -> str:
        """What answers, such as ``13.2.3``."""
        answer = self._call(lambda: self._api.client.GET("/health"))
        if not isinstance(answer, dict) or not answer.get("version"):
            raise GrafanaError(
                f"what answers at {self._url} is not Grafana: check the address and what stands before it"
            )
        return str(answer["version"])

    def min_refresh(self) -> str:
        """The shortest refresh of a dashboard that this Grafana allows; it refuses to save a shorter one.

        From what it tells its own pages: its published description has no other place for it.
        """
        answer = self._call(lambda: self._api.client.GET("/frontend/settings"))
        return str(answer.get("minRefreshInterval", "")) if isinstance(answer, dict) else ""

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, wanted: Wanted, folders: Iterable[str]) -> Found:
        """What is there of ``wanted``, and what of Anju's is there besides; ``folders``: uids of all that are Anju's.

        A part that the token may not look at is closed, and not looked after.
        """
        found = Found()

        def part(which: Part, read: Callable[[], None]) -> None:
            try:
                read()
            except GrafanaError as error:
                if error.status != 403:
                    raise
                found.closed[which] = str(error)

        part(Part.DATA_SOURCE, lambda: self._read_data_source(found))
        part(Part.TEAMS, lambda: self._read_teams(found))
        part(Part.ACCOUNT, lambda: self._read_account(found))
        own = list(folders)
        part(Part.FOLDERS, lambda: self._read_folders(found, own))
        part(Part.DASHBOARDS, lambda: self._read_dashboards(found, wanted, own))
        part(Part.CONTACT_POINT, lambda: self._read_contact_point(found))
        part(Part.POLICY, lambda: self._read_policies(found))
        part(Part.RULES, lambda: self._read_rules(found))
        return found

    def _read_data_source(self, found: Found) -> None:
        found.data_source = self._there(lambda: self._api.datasource.get_datasource_by_uid(DATA_SOURCE))

    def _read_teams(self, found: Found) -> None:
        teams = self._call(lambda: self._api.teams.search_teams(perpage=_PAGE))
        found.teams = {str(team["name"]): int(team["id"]) for team in teams}

    def _read_account(self, found: Found) -> None:
        answer = self._call(lambda: self._api.serviceaccount.search(query=SERVICE_ACCOUNT, page=1, perpage=_PAGE))[0]
        ids = [int(one["id"]) for one in answer["serviceAccounts"] or () if one.get("name") == SERVICE_ACCOUNT]
        found.account = ids[0] if ids else None

    def _read_folders(self, found: Found, uids: list[str]) -> None:
        for uid in uids:
            folder = self._there(partial(self._api.folder.get_folder, uid))
            if folder is None:
                continue
            try:
                grants = frozenset(_grant(item) for item in self._permissions(uid))
            except GrafanaError as error:
                if error.status != 403:
                    raise
                grants = None
            strangers = sum(
                not str(hit["uid"]).startswith(OWN) for hit in self._search(folder_uids=[uid], type_="dash-db")
            )
            title, version = str(folder.get("title", "")), int(folder.get("version", 0))
            found.folders[uid] = FoundFolder(uid, title, version, grants, strangers)

    def _read_dashboards(self, found: Found, wanted: Wanted, folders: list[str]) -> None:
        uids = {one.uid for one in wanted.dashboards}
        uids |= {str(hit["uid"]) for hit in self._search(tag=TAG, type_="dash-db") if hit.get("folderUid") in folders}
        for uid in sorted(uids):
            if not uid.startswith(OWN):
                continue
            whole = self._there(partial(self._api.dashboard.get_dashboard, uid))
            if whole is None:
                continue
            meta = whole.get("meta") or {}
            path = f"/dashboards/uid/{uid}/versions?limit=1"
            versions = (self._call(partial(self._api.client.GET, path)) or {}).get("versions") or [{}]
            found.dashboards[uid] = FoundDashboard(
                uid,
                str((whole.get("dashboard") or {}).get("title", uid)),
                str(meta.get("folderUid", "")),
                str(versions[0].get("message", "")),
                str(versions[0].get("createdBy", "")),
                bool(meta.get("provisioned")),
            )

    def _read_contact_point(self, found: Found) -> None:
        points = self._call(lambda: self._api.alertingprovisioning.get_contactpoints()) or []
        found.contact_point = next((one for one in points if one.get("uid") == CONTACT_POINT), None)
        same = [one for one in points if one.get("name") == CONTACT_POINT and one.get("uid") != CONTACT_POINT]
        if same:
            raise GrafanaError(
                f"a contact point named {CONTACT_POINT!r} is there that is not Anju's (uid {same[0].get('uid')}): "
                "rename it in Grafana, then apply again"
            )

    def _read_policies(self, found: Found) -> None:
        found.policies = self._call(self._api.alertingprovisioning.get_notification_policy_tree)

    def _read_rules(self, found: Found) -> None:
        rules = self._call(self._api.alertingprovisioning.get_alertrules_all) or []
        found.rules = {str(rule["uid"]): rule for rule in rules if str(rule["uid"]).startswith(OWN)}

    def _search(self, **what: Any) -> list[Json]:
        hits: list[Json] = []
        for page in range(1, 1000):
            some = self._call(partial(self._api.search.search_dashboards, limit=_PAGE, page=page, **what))
            hits += some
            if len(some) < _PAGE:
                break
        return hits

    def _permissions(self, uid: str) -> list[Json]:
        listed: list[Json] = self._call(lambda: self._api.folder.get_folder_permissions(uid)) or []
        return [item for item in listed if not item.get("inherited")]

    # --- writing --------------------------------------------------------------------------------------------------

    def take(self, step: Step, found: Found) -> None:
        """Take one step; ``found`` is brought up to date with the ids that Grafana gives."""
        if not step.changes:
            return
        delete = step.action is Action.DELETE
        match step.part:
            case Part.DATA_SOURCE:
                self._write_data_source(step)
            case Part.TEAMS:
                made = self._call(lambda: self._api.teams.add_team({"name": step.key}))
                found.teams[step.key] = int(made["teamId"])
            case Part.ACCOUNT if delete:
                self._call(lambda: self._api.serviceaccount.delete(found.account))
            case Part.ACCOUNT:
                found.account = self._make_account()
            case Part.FOLDERS:
                self._write_folder(step, found)
            case Part.PERMISSIONS:
                self._write_permissions(step.body, found)
            case Part.DASHBOARDS if delete:
                self._call(lambda: self._api.dashboard.delete_dashboard(step.key))
            case Part.DASHBOARDS:
                self._write_dashboard(step.body)
            case Part.CONTACT_POINT:
                self._write_contact_point(step)
            case Part.POLICY:
                self._write_policy(step.body)
            case Part.RULES:
                self._write_rule(step)

    def _write_data_source(self, step: Step) -> None:
        api = self._api.datasource
        match step.action:
            case Action.CREATE:
                self._call(lambda: api.create_datasource(step.body))
            case Action.CHANGE:
                self._call(lambda: api.update_datasource_by_uid(step.key, step.body))
            case _:
                self._call(lambda: api.delete_datasource_by_uid(step.key))

    def _make_account(self) -> int:
        # grafana-client asks for a path with a slash at its end, which the published description does not have.
        body = {"name": SERVICE_ACCOUNT, "role": "None", "isDisabled": False}
        return int(self._call(lambda: self._api.client.POST("/serviceaccounts", json=body))["id"])

    def _write_folder(self, step: Step, found: Found) -> None:
        if step.action is Action.DELETE:
            self._call(lambda: self._api.folder.delete_folder(step.key))
            return
        folder: WantedFolder = step.body
        if step.action is Action.CREATE:
            self._call(lambda: self._api.folder.create_folder(folder.title, uid=folder.uid))
        else:
            version = found.folders[folder.uid].version
            self._call(lambda: self._api.folder.update_folder(folder.uid, title=folder.title, version=version))

    def _write_permissions(self, folder: WantedFolder, found: Found) -> None:
        """The whole list, as Grafana takes it; read anew, so that nobody who was let in meanwhile is put out."""
        there = {_grant(item): item for item in self._permissions(folder.uid)}
        after = granted(folder, frozenset(there), found)
        items = [_item(grant, there, found) for grant in sorted(after, key=lambda one: (one.who, one.permission))]
        self._call(lambda: self._api.folder.update_folder_permissions(folder.uid, {"items": items}))

    def _write_dashboard(self, wanted: WantedDashboard) -> None:
        body = {"dashboard": wanted.model, "folderUid": wanted.folder, "message": wanted.mark, "overwrite": True}
        self._call(lambda: self._api.dashboard.update_dashboard(body))

    def _write_contact_point(self, step: Step) -> None:
        api = self._api.alertingprovisioning
        match step.action:
            case Action.CREATE:
                self._call(lambda: api.create_contactpoint(step.body))
            case Action.CHANGE:
                self._call(lambda: api.update_contactpoint(step.key, step.body))
            case _:
                self._call(lambda: api.delete_contactpoint(step.key))

    def _write_policy(self, route: Json | None) -> None:
        """Read anew just before: the tree is everybody's. It stays as editable for people as it was."""
        api = self._api.alertingprovisioning
        tree = self._call(api.get_notification_policy_tree)
        changed = without_route(tree) if route is None else with_route(tree, route)
        by_people = not tree.get("provenance")
        self._call(lambda: api.set_notification_policy_tree(changed, disable_provenance=by_people))

    def _write_rule(self, step: Step) -> None:
        api = self._api.alertingprovisioning
        match step.action:
            case Action.CREATE:
                self._call(lambda: api.create_alertrule(step.body))
            case Action.CHANGE:
                self._call(lambda: api.update_alertrule(step.key, step.body))
            case _:
                self._call(lambda: api.delete_alertrule(step.key))

    def make_token(self, account: int, name: str, lives_s: int) -> str:
        """A new token of the service account; tokens of that name from before are worth nothing afterwards."""
        api = self._api.serviceaccount
        old = [one for one in self._call(lambda: api.get_tokens(account)) or () if one.get("name") == name]
        for one in old:
            self._call(partial(api.delete_token, account, one["id"]))
        return str(self._call(lambda: api.create_token(account, {"name": name, "secondsToLive": lives_s}))["key"])

    # --- one call ---------------------------------------------------------------------------------------------------

    def _there(self, call: Callable[[], Any]) -> Any:
        """The answer, or None where Grafana has no such thing."""
        try:
            return self._call(call)
        except GrafanaError as error:
            if error.status == 404:
                return None
            raise

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except self._refused as error:
            status = int(getattr(error, "status_code", 0) or 0)
            raise GrafanaError(_advice(status, _words(error), self._url), status) from error
        except self._unreachable as error:
            if isinstance(error, ValueError):
                raise GrafanaError(f"what answers at {self._url} is not Grafana's JSON: {error}") from error
            raise GrafanaError(f"no answer from {self._url}: {error}; check grafana.url and that it runs") from error


def _words(error: Any) -> str:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("message") or response.get("error") or response)[:300]
    return str(response or error)[:300]


def _advice(status: int, words: str, url: str) -> str:
    match status:
        case 401:
            return (
                f"{url} does not know this token or password, or its time is over: {words}. Give an administrator's; "
                "where the service account's own is over, delete the file of that secret, and apply makes a new one"
            )
        case 403:
            return f"not allowed: {words}"
        case 0:
            return f"no answer from {url}: {words}"
        case _:
            return f"{url} answers {status}: {words}"


def _grant(item: Json) -> Grant:
    """One row of a folder's permissions."""
    permission = int(item.get("permission", 0))
    if item.get("team"):
        return Grant(permission, team=str(item["team"]))
    if item.get("role"):
        return Grant(permission, role=str(item["role"]))
    login = str(item.get("userLogin", ""))
    # A service account's login is its organisation and its name: sa-1-anju-gateway.
    if login.startswith("sa-") and login.endswith(f"-{SERVICE_ACCOUNT}"):
        return Grant(permission, account=True)
    return Grant(permission, user=login or f"user {item.get('userId')}")


def _item(grant: Grant, there: dict[Grant, Json], found: Found) -> Json:
    """The row as Grafana takes it. Raises GrafanaError for a team that is not there."""
    row = next((item for known, item in there.items() if known.who == grant.who), {})
    if grant.role:
        return {"role": grant.role, "permission": grant.permission}
    if grant.team:
        team = found.teams.get(grant.team, row.get("teamId"))
        if team is None:
            raise GrafanaError(f"team {grant.team} is not there any more: apply again")
        return {"teamId": team, "permission": grant.permission}
    user = found.account if grant.account and found.account is not None else row.get("userId")
    return {"userId": user, "permission": grant.permission}
