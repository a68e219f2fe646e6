"""What a Grafana holds, and how it answers: the behaviour of version 13 as far as Anju meets it, kept in memory.

It makes the defaults that the real one makes (permissions of a new folder, a version for each save, secrets that are
never given back), and refuses what the real one refuses. Where that is from: Grafana's HTTP API reference for versions
12 and 13, and for alerting its provisioning API.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
ADMIN, ACCOUNT, STRANGER = "admin", "account", "stranger"
REDACTED = "[REDACTED]"
_OPEN_TO_ALL = ("getHealth", "search", "getFolderByUID", "getDashboardByUID", "getDashboardVersionsByUID")
_BY_FOLDER = (
    "updateFolder",
    "getFolderPermissionList",
    "updateFolderPermissions",
    "postDashboard",
    "deleteDashboardByUID",
)


class Refused(Exception):
    """Grafana does not do it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Call:
    """One request that is as described."""

    role: str
    path: dict[str, str]
    query: dict[str, list[str]]
    provenance: bool
    """Whether what is written is to be marked as made by the API."""
    body: Any


@dataclass
class State:
    """Everything in this Grafana."""

    version: str = "13.2.3"
    min_refresh: str = "5s"
    data_sources: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)
    folders: dict[str, Json] = field(default_factory=dict)
    permissions: dict[str, list[Json]] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    """Uid → {folder, model, versions: [{version, message, createdBy}], provisioned}."""
    teams: dict[int, Json] = field(default_factory=dict)
    accounts: dict[int, Json] = field(default_factory=dict)
    tokens: dict[int, dict[int, Json]] = field(default_factory=dict)
    points: dict[str, Json] = field(default_factory=dict)
    policies: Json = field(
        default_factory=lambda: {"receiver": "grafana-default-email", "group_by": ["grafana_folder", "alertname"]}
    )
    rules: dict[str, Json] = field(default_factory=dict)
    bearers: dict[str, int] = field(default_factory=dict)
    """Token of a service account → the account."""
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def answer(self, operation: str, call: Call) -> tuple[int, Any]:
        """Status and body. Raises Refused."""
        self._allow(operation, call)
        handler: Callable[[Call], tuple[int, Any]] = getattr(self, f"do_{operation}")
        return handler(call)

    def _allow(self, operation: str, call: Call) -> None:
        if call.role == STRANGER and operation != "getHealth":
            raise Refused(401, "Invalid API key")
        if call.role == ADMIN or operation in _OPEN_TO_ALL:
            return
        if operation in _BY_FOLDER:
            uid = call.path.get("folder_uid") or (call.body or {}).get("folderUid")
            if uid is None and "uid" in call.path:
                uid = self.dashboards.get(call.path["uid"], {}).get("folder")
            if any(item.get("userId") and item["permission"] == 4 for item in self.permissions.get(str(uid), ())):
                return
        raise Refused(403, f"You'll need additional permissions to perform this action ({operation})")

    # --- the server, data sources ---------------------------------------------------------------------------------

    def do_getHealth(self, call: Call) -> tuple[int, Any]:
        return 200, {"database": "ok", "version": self.version, "commit": "abcdef"}

    def do_getDataSourceByUID(self, call: Call) -> tuple[int, Any]:
        return 200, self._data_source(call.path["uid"])

    def _data_source(self, uid: str) -> Json:
        if uid not in self.data_sources:
            raise Refused(404, "Data source not found")
        secret = dict.fromkeys(self.secrets.get(uid, {}), True)
        return {**self.data_sources[uid], "secureJsonFields": secret}

    def do_addDataSource(self, call: Call) -> tuple[int, Any]:
        body = copy.deepcopy(call.body)
        if body["uid"] in self.data_sources or any(one["name"] == body["name"] for one in self.data_sources.values()):
            raise Refused(409, "data source with the same name already exists")
        return self._keep_data_source(body["uid"], body, "Datasource added")

    def do_updateDataSourceByUID(self, call: Call) -> tuple[int, Any]:
        uid = call.path["uid"]
        if self._data_source(uid).get("readOnly"):
            raise Refused(403, "Cannot update read-only data source")
        return self._keep_data_source(uid, copy.deepcopy(call.body), "Datasource updated")

    def _keep_data_source(self, uid: str, body: Json, message: str) -> tuple[int, Any]:
        self.secrets.setdefault(uid, {}).update(body.pop("secureJsonData", {}))
        number = self.data_sources.get(uid, {}).get("id") or next(self.numbers)
        kept = {"isDefault": False, "readOnly": False, "user": "", "database": "", **body, "id": number, "orgId": 1}
        self.data_sources[uid] = {**kept, "version": self.data_sources.get(uid, {}).get("version", 0) + 1}
        return 200, {"id": number, "name": body["name"], "message": message, "datasource": self._data_source(uid)}

    def do_deleteDataSourceByUID(self, call: Call) -> tuple[int, Any]:
        if self._data_source(call.path["uid"]).get("readOnly"):
            raise Refused(403, "Cannot delete read-only data source")
        del self.data_sources[call.path["uid"]]
        return 200, {"message": "Data source deleted"}

    # --- folders, dashboards --------------------------------------------------------------------------------------

    def _folder(self, uid: str) -> Json:
        if uid not in self.folders:
            raise Refused(404, "folder not found")
        return self.folders[uid]

    def do_getFolderByUID(self, call: Call) -> tuple[int, Any]:
        return 200, self._folder(call.path["folder_uid"])

    def do_createFolder(self, call: Call) -> tuple[int, Any]:
        uid = call.body["uid"]
        if uid in self.folders:
            raise Refused(409, "a folder with the same uid already exists")
        self.folders[uid] = {"id": next(self.numbers), "uid": uid, "title": call.body["title"], "version": 1}
        self.permissions[uid] = [
            {"userId": 1, "userLogin": "admin", "permission": 4},
            {"role": "Editor", "permission": 2},
            {"role": "Viewer", "permission": 1},
        ]
        return 200, self.folders[uid]

    def do_updateFolder(self, call: Call) -> tuple[int, Any]:
        folder = self._folder(call.path["folder_uid"])
        if not call.body.get("overwrite") and call.body.get("version") != folder["version"]:
            raise Refused(412, "the folder has been changed by someone else")
        folder |= {"title": call.body["title"], "version": folder["version"] + 1}
        return 200, folder

    def do_deleteFolder(self, call: Call) -> tuple[int, Any]:
        uid = call.path["folder_uid"]
        folder = self._folder(uid)
        if any(rule["folderUID"] == uid for rule in self.rules.values()):
            raise Refused(400, "folder cannot be deleted: folder contains alert rules")
        self.dashboards = {key: one for key, one in self.dashboards.items() if one["folder"] != uid}
        del self.folders[uid], self.permissions[uid]
        return 200, {"id": folder["id"], "title": folder["title"], "message": "Folder deleted"}

    def do_getFolderPermissionList(self, call: Call) -> tuple[int, Any]:
        self._folder(call.path["folder_uid"])
        return 200, self.permissions[call.path["folder_uid"]]

    def do_updateFolderPermissions(self, call: Call) -> tuple[int, Any]:
        self._folder(call.path["folder_uid"])
        rows = []
        for item in call.body["items"]:
            row = dict(item)
            if "teamId" in item:
                if item["teamId"] not in self.teams:
                    raise Refused(400, "team not found")
                row["team"] = self.teams[item["teamId"]]["name"]
            if "userId" in item:
                row["userLogin"] = self.accounts.get(item["userId"], {}).get("login") or self._login(item["userId"])
            rows.append(row)
        self.permissions[call.path["folder_uid"]] = rows
        return 200, {"message": "Folder permissions updated"}

    def _login(self, user: int) -> str:
        logins = {1: "admin", 77: "li.wei"}
        if user not in logins:
            raise Refused(400, "user not found")
        return logins[user]

    def do_search(self, call: Call) -> tuple[int, Any]:
        tags, folders = set(call.query.get("tag", ())), set(call.query.get("folderUIDs", ()))
        hits = [
            {"uid": uid, "title": one["model"]["title"], "type": "dash-db", "folderUid": one["folder"], "tags": []}
            for uid, one in sorted(self.dashboards.items())
            if tags <= set(one["model"].get("tags", ())) and (not folders or one["folder"] in folders)
        ]
        limit = int(call.query.get("limit", ["1000"])[0])
        page = int(call.query.get("page", ["1"])[0])
        return 200, hits[(page - 1) * limit : page * limit]

    def _dashboard(self, uid: str) -> Json:
        if uid not in self.dashboards:
            raise Refused(404, "Dashboard not found")
        return self.dashboards[uid]

    def do_getDashboardByUID(self, call: Call) -> tuple[int, Any]:
        one = self._dashboard(call.path["uid"])
        version = one["versions"][-1]["version"]
        meta = {"folderUid": one["folder"], "provisioned": one["provisioned"], "version": version}
        # The real one brings the model to its newest schema as it gives it out.
        return 200, {"dashboard": {**one["model"], "id": one["id"], "version": version, "panels": []}, "meta": meta}

    def do_getDashboardVersionsByUID(self, call: Call) -> tuple[int, Any]:
        limit = int(call.query.get("limit", ["0"])[0]) or None
        return 200, {"versions": self._dashboard(call.path["uid"])["versions"][::-1][:limit]}

    def do_postDashboard(self, call: Call) -> tuple[int, Any]:
        model, folder = copy.deepcopy(call.body["dashboard"]), call.body.get("folderUid", "")
        if folder:
            self._folder(folder)
        uid = model["uid"]
        there = self.dashboards.get(uid)
        if there is not None and there["provisioned"]:
            raise Refused(400, "Cannot save provisioned dashboard")
        if model.get("refresh") in ("1s", "2s") and self.min_refresh != "1s":
            raise Refused(400, "Dashboard refresh interval is too low")
        if there is not None and not call.body.get("overwrite"):
            raise Refused(412, "A dashboard with the same uid already exists")
        versions = list(there["versions"]) if there is not None else []
        number = len(versions) + 1
        versions.append(
            {"version": number, "message": call.body.get("message", ""), "createdBy": call.role, "uid": uid}
        )
        kept = {"id": there["id"] if there else next(self.numbers), "folder": folder, "model": model}
        self.dashboards[uid] = {**kept, "versions": versions, "provisioned": False}
        answer = {"id": kept["id"], "uid": uid, "title": model["title"], "status": "success", "version": number}
        return 200, {**answer, "url": f"/d/{uid}", "folderUid": folder}

    def do_deleteDashboardByUID(self, call: Call) -> tuple[int, Any]:
        one = self._dashboard(call.path["uid"])
        if one["provisioned"]:
            raise Refused(400, "provisioned dashboard cannot be deleted")
        del self.dashboards[call.path["uid"]]
        return 200, {"uid": call.path["uid"], "title": one["model"]["title"], "message": "Dashboard deleted"}

    # --- teams, service accounts ------------------------------------------------------------------------------------

    def do_searchTeams(self, call: Call) -> tuple[int, Any]:
        page, size = int(call.query["page"][0]), int(call.query["perpage"][0])
        listed = list(self.teams.values())[(page - 1) * size : page * size]
        return 200, {"teams": listed, "totalCount": len(self.teams), "page": page, "perPage": size}

    def do_createTeam(self, call: Call) -> tuple[int, Any]:
        if any(team["name"] == call.body["name"] for team in self.teams.values()):
            raise Refused(409, "Team name taken")
        number = next(self.numbers)
        self.teams[number] = {
            "id": number, "uid": f"team-{number}", "orgId": 1, "name": call.body["name"], "memberCount": 0,
            "isProvisioned": False,
        }  # fmt: skip
        return 200, {"teamId": number, "uid": f"team-{number}", "message": "Team created"}

    def do_searchOrgServiceAccountsWithPaging(self, call: Call) -> tuple[int, Any]:
        asked = call.query.get("query", [""])[0]
        found = [one for one in self.accounts.values() if asked in one["name"]]
        return 200, {"serviceAccounts": found, "totalCount": len(found), "page": 1, "perPage": 1000}

    def do_createServiceAccount(self, call: Call) -> tuple[int, Any]:
        number = next(self.numbers)
        name = call.body["name"]
        self.accounts[number] = {
            "id": number, "uid": f"sa-{number}", "name": name, "login": f"sa-1-{name}", "orgId": 1,
            "isDisabled": False, "role": call.body["role"], "tokens": 0,
        }  # fmt: skip
        self.tokens[number] = {}
        return 201, self.accounts[number]

    def do_deleteServiceAccount(self, call: Call) -> tuple[int, Any]:
        del self.accounts[int(call.path["serviceAccountId"])]
        return 200, {"message": "Service account deleted"}

    def do_listTokens(self, call: Call) -> tuple[int, Any]:
        return 200, list(self.tokens[int(call.path["serviceAccountId"])].values())

    def do_createToken(self, call: Call) -> tuple[int, Any]:
        account = int(call.path["serviceAccountId"])
        if any(token["name"] == call.body["name"] for token in self.tokens[account].values()):
            raise Refused(409, "service account token with given name already exists")
        number = next(self.numbers)
        key = f"glsa_{account}_{number}"
        self.tokens[account][number] = {"id": number, "name": call.body["name"], "hasExpired": False}
        self.bearers[key] = account
        return 200, {"id": number, "name": call.body["name"], "key": key}

    def do_deleteToken(self, call: Call) -> tuple[int, Any]:
        account, number = int(call.path["serviceAccountId"]), int(call.path["tokenId"])
        del self.tokens[account][number]
        self.bearers.pop(f"glsa_{account}_{number}", None)
        return 200, {"message": "Service account token deleted"}

    # --- alerting -------------------------------------------------------------------------------------------------

    def do_RouteGetContactpoints(self, call: Call) -> tuple[int, Any]:
        return 200, [_without_secrets(point) for point in self.points.values()]

    def do_RoutePostContactpoints(self, call: Call) -> tuple[int, Any]:
        point = {**copy.deepcopy(call.body), "provenance": "api" if call.provenance else ""}
        if point["uid"] in self.points:
            raise Refused(400, "receiver configuration with this UID already exists")
        if not point["settings"].get("url"):
            raise Refused(400, "invalid object specification: required field 'url' is not specified")
        self.points[point["uid"]] = point
        return 202, _without_secrets(point)

    def do_RoutePutContactpoint(self, call: Call) -> tuple[int, Any]:
        uid = call.path["UID"]
        if uid not in self.points:
            raise Refused(404, "contact point not found")
        self._same_provenance(self.points[uid], call)
        settings = copy.deepcopy(call.body["settings"])
        if settings.get("authorization_credentials") == REDACTED:
            settings["authorization_credentials"] = self.points[uid]["settings"]["authorization_credentials"]
        self.points[uid] = {**call.body, "uid": uid, "settings": settings, "provenance": self.points[uid]["provenance"]}
        return 202, {}

    def do_RouteDeleteContactpoints(self, call: Call) -> tuple[int, Any]:
        point = self.points.get(call.path["UID"])
        if point is not None and _leads_to(self.policies, point["name"]):
            raise Refused(409, "contact point is currently used by a notification policy")
        self.points.pop(call.path["UID"], None)
        return 202, {"message": "contactpoint deleted"}

    def do_RouteGetPolicyTree(self, call: Call) -> tuple[int, Any]:
        return 200, self.policies

    def do_RoutePutPolicyTree(self, call: Call) -> tuple[int, Any]:
        self._same_provenance(self.policies, call)
        names = {point["name"] for point in self.points.values()} | {"grafana-default-email"}
        for receiver in _receivers(call.body):
            if receiver not in names:
                raise Refused(400, f"invalid object specification: receiver '{receiver}' does not exist")
        self.policies = copy.deepcopy(call.body) | ({"provenance": "api"} if call.provenance else {})
        if not call.provenance:
            self.policies.pop("provenance", None)
        return 202, {}

    def do_RouteGetAlertRules(self, call: Call) -> tuple[int, Any]:
        return 200, list(self.rules.values())

    def do_RoutePostAlertRule(self, call: Call) -> tuple[int, Any]:
        if call.body["uid"] in self.rules:
            raise Refused(409, "a conflicting alert rule is found: rule UID")
        return 201, self._keep_rule(call, "api" if call.provenance else "")

    def do_RoutePutAlertRule(self, call: Call) -> tuple[int, Any]:
        there = self.rules.get(call.path["UID"])
        if there is None:
            raise Refused(404, "alert rule not found")
        self._same_provenance(there, call)
        return 200, self._keep_rule(call, there["provenance"])

    def _keep_rule(self, call: Call, provenance: str) -> Json:
        rule = copy.deepcopy(call.body)
        self._folder_of_rule(rule)
        for query in rule["data"]:
            if query["datasourceUid"] not in ("__expr__", *self.data_sources):
                raise Refused(400, f"invalid alert rule: data source {query['datasourceUid']} not found")
            query["model"] |= {"intervalMs": 1000, "maxDataPoints": 43200}
        if rule["condition"] not in {query["refId"] for query in rule["data"]}:
            raise Refused(400, "invalid alert rule: condition does not exist")
        if rule["for"].endswith("00s") and int(rule["for"][:-1]) % 60 == 0:
            rule["for"] = f"{int(rule['for'][:-1]) // 60}m"
        rule |= {"id": next(self.numbers), "provenance": provenance, "orgID": 1}
        self.rules[rule["uid"]] = rule
        return rule

    def _folder_of_rule(self, rule: Mapping[str, Any]) -> None:
        if rule["folderUID"] not in self.folders:
            raise Refused(400, "invalid alert rule: folder does not exist")
        same = [one for one in self.rules.values() if one["title"] == rule["title"] and one["uid"] != rule["uid"]]
        if any(one["folderUID"] == rule["folderUID"] for one in same):
            raise Refused(409, "a conflicting alert rule is found: title")

    def do_RouteDeleteAlertRule(self, call: Call) -> tuple[int, Any]:
        self._same_provenance(self.rules.get(call.path["UID"], {"provenance": "api"}), call)
        self.rules.pop(call.path["UID"], None)
        return 204, None

    @staticmethod
    def _same_provenance(there: Mapping[str, Any], call: Call) -> None:
        stored, asked = there.get("provenance", ""), "api" if call.provenance else ""
        if stored not in ("", asked):
            raise Refused(409, f"cannot change provenance from '{stored}' to '{asked}'")


def _without_secrets(point: Json) -> Json:
    settings = dict(point["settings"])
    if settings.get("authorization_credentials"):
        settings["authorization_credentials"] = REDACTED
    return {**point, "settings": settings}


def _receivers(route: Mapping[str, Any]) -> list[str]:
    own = [route["receiver"]] if route.get("receiver") else []
    return own + [name for inner in route.get("routes") or () for name in _receivers(inner)]


def _leads_to(route: Mapping[str, Any], name: str) -> bool:
    return name in _receivers(route)
