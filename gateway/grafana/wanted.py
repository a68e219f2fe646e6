"""What is to be there in Grafana for one community: folders, boards, teams, data source, a way back for alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.alerting import (
    CONTACT_POINT,
    DATA_SOURCE,
    FOLDER,
    FOLDER_UID,
    GROUP,
    RULES,
    contact_point,
    route,
    rule_body,
)
from dashboards.text import LANGUAGES, Language, Text
from gateway.grafana.boards import wanted_dashboard
from gateway.grafana.model import ADMIN, EDIT, VIEW, Grant, Json, Wanted, WantedFolder

CONTROL_ROOM = "安居 值班室 · Anju control room"
DOCTORS = "安居 医生 · Anju doctors"
ADMINISTRATORS = "安居 管理 · Anju administrators"
TEAMS = (CONTROL_ROOM, DOCTORS, ADMINISTRATORS)
FOLDERS: Mapping[Language, tuple[str, str]] = {"zh": ("anju-zh", "安居"), "en": ("anju-en", "Anju")}
CARE = Text("安居 · 养老照护", "Anju · Elder care")
"""Title of the folder for boards that hold health data; its uid is that of the other folder and ``-care``."""
FOLDER_UIDS = (*(uid for uid, _ in FOLDERS.values()), *(f"{uid}-care" for uid, _ in FOLDERS.values()), FOLDER_UID)
DATA_SOURCE_NAME = "Anju"
TIME_INTERVAL = "10s"
"""Devices report no more often; a finer grouping would show holes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccess:
    """How Grafana reaches telemetry."""

    url: str
    bucket: str
    major: int
    """InfluxDB's major version: 1, 2 or 3."""
    token: str
    """``user:password`` (1.x) or a token; empty where none is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a site sets."""

    public_url: str
    """Where people's browsers reach the gateway's pages."""
    day: str
    """When the community's days begin, in minutes from midnight UTC: ``-480m``."""
    store: StoreAccess
    push_url: str = ""
    """Where Grafana posts alerts: Anju's door. Empty with ``no_alerts``."""
    push_key: str = ""
    no_alerts: str = ""
    """Why alerts are not connected."""
    everyone: bool = True
    """Whether everybody who may log in sees the boards that hold no health data."""
    min_refresh: str = ""
    """The shortest refresh that this Grafana allows, such as ``5s``."""


def wanted(site: Site, boards: Mapping[Language, Sequence[Json]], private: frozenset[str]) -> Wanted:
    """Everything that is to be there."""
    dashboards = []
    for language in LANGUAGES:
        folder = FOLDERS[language][0]
        for board in boards[language]:
            where = f"{folder}-care" if board["uid"] in private else folder
            dashboards.append(
                wanted_dashboard(
                    board,
                    where,
                    url=site.public_url,
                    day=site.day,
                    data_source=DATA_SOURCE,
                    min_refresh=site.min_refresh,
                )
            )
    alerts = not site.no_alerts
    point = contact_point(site.push_url, site.push_key, mark_of(site.push_key)) | {"name": CONTACT_POINT}
    return Wanted(
        folders=tuple(_folders(site.everyone)),
        dashboards=tuple(dashboards),
        teams=TEAMS,
        account=True,
        data_source=data_source(site.store),
        contact_point=point if alerts else None,
        route=route() if alerts else None,
        rules=tuple(api_rule(rule_body(rule)) for rule in RULES) if alerts else (),
        no_alerts=site.no_alerts,
    )


def _folders(everyone: bool) -> list[WantedFolder]:
    account = Grant(ADMIN, account=True)
    shared = (
        *((Grant(VIEW, role="Viewer"), Grant(VIEW, role="Editor")) if everyone else ()),
        Grant(VIEW, team=CONTROL_ROOM),
        Grant(VIEW, team=DOCTORS),
        Grant(EDIT, team=ADMINISTRATORS),
        account,
    )
    care = (Grant(VIEW, team=DOCTORS), account)
    alerts = (Grant(VIEW, team=CONTROL_ROOM), Grant(EDIT, team=ADMINISTRATORS), account)
    return [
        *(WantedFolder(uid, title, shared) for uid, title in FOLDERS.values()),
        *(WantedFolder(f"{uid}-care", CARE.of(language), care, strict=True) for language, (uid, _) in FOLDERS.items()),
        WantedFolder(FOLDER_UID, f"{FOLDER.zh} {FOLDER.en}", alerts),
    ]


def data_source(store: StoreAccess) -> Json:
    """The data source for raw InfluxQL, which InfluxDB 1.x, 2.x and 3.x all answer."""
    body: Json = {
        "uid": DATA_SOURCE,
        "name": DATA_SOURCE_NAME,
        "type": "influxdb",
        "access": "proxy",
        "url": store.url,
        "jsonData": {
            "version": "InfluxQL",
            "dbName": store.bucket,
            "httpMode": "POST",
            "timeInterval": TIME_INTERVAL,
            "anju": mark_of(store.token),
        },
    }
    if not store.token:
        return body
    if store.major == 1:
        user, _, password = store.token.partition(":")
        return {**body, "user": user, "secureJsonData": {"password": password}}
    # Grafana's InfluxQL mode knows no tokens: the header does it.
    scheme = "Bearer" if store.major == 3 else "Token"
    body["jsonData"]["httpHeaderName1"] = "Authorization"
    return {**body, "secureJsonData": {"httpHeaderValue1": f"{scheme} {store.token}"}}


def api_rule(body: Json) -> Json:
    """An alert rule as Grafana's API takes it."""
    return {**body, "folderUID": FOLDER_UID, "ruleGroup": GROUP, "orgID": 1}


def mark_of(secret: str) -> str:
    """Tells one secret from another where Grafana does not give it back. Slow, and short: it gives the secret away to
    nobody who guesses."""
    if not secret:
        return ""
    return hashlib.scrypt(secret.encode(), salt=b"anju grafana", n=2**14, r=8, p=1, dklen=4).hex()
