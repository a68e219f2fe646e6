"""Grafana has one tree of notification policies for everybody: Anju's branch goes in and out, all others stay."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from dashboards.alerting import CONTACT_POINT, DEVICE_LABEL
from gateway.grafana.model import Json


def own_route(tree: Mapping[str, Any]) -> Json | None:
    """Anju's branch: to its contact point, for alerts with its label. None where there is none."""
    return next((route for route in tree.get("routes") or () if _is_own(route)), None)


def with_route(tree: Mapping[str, Any], route: Json) -> Json:
    """The tree with Anju's branch: in its old place where there was one, else before all others.

    Before all others because the first branch that fits takes an alert; it fits only what carries Anju's label.
    """
    changed = copy.deepcopy(dict(tree))
    routes = list(changed.get("routes") or [])
    at = next((index for index, one in enumerate(routes) if _is_own(one)), None)
    kept = [one for one in routes if not _is_own(one)]
    kept.insert(0 if at is None else sum(not _is_own(one) for one in routes[:at]), copy.deepcopy(route))
    changed["routes"] = kept
    return changed


def without_route(tree: Mapping[str, Any]) -> Json:
    """The tree without Anju's branch."""
    changed = copy.deepcopy(dict(tree))
    changed["routes"] = [one for one in changed.get("routes") or [] if not _is_own(one)]
    return changed


def _is_own(route: Mapping[str, Any]) -> bool:
    matchers = route.get("object_matchers") or []
    return route.get("receiver") == CONTACT_POINT and any(one[:1] == [DEVICE_LABEL] for one in matchers)


def other_users(tree: Mapping[str, Any]) -> int:
    """How many policies besides Anju's branch lead to its contact point: somebody relies on it."""
    own = tree.get("receiver") == CONTACT_POINT
    return int(own) + sum(_leads(route) for route in tree.get("routes") or () if not _is_own(route))


def _leads(route: Mapping[str, Any]) -> int:
    own = route.get("receiver") == CONTACT_POINT
    return int(own) + sum(_leads(one) for one in route.get("routes") or ())
