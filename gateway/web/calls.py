"""Calls to the emergency line as the page of a case shows them: the card as it was sent, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices.kinds import KINDS
from gateway.api.reads import OutboxRow
from gateway.api.words import unit
from gateway.cases.effects import Send
from gateway.outbox.card import FIELDS, card_for_line
from gateway.web.vitals import MONITOR

_VITALS = "；体征 vitals: "
"""Before the vitals in the detail of a call that was answered: the line adds them as they are at that moment, and the
row of the outbox, written before, does not have them (`gateway.outbox.channels.emergency_line`)."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call: its row, the card's fields with their labels, the text that is read out, and each try with its answer."""

    row: OutboxRow
    fields: list[tuple[str, str]]
    text: str
    tries: list[tuple[int, str]]


def call_of(row: OutboxRow, send: Send, *, drill: bool) -> Call:
    """A call with its card as the line's driver makes it of the row, with the vitals it was answered with."""
    sent_at_ms, signs = next(
        ((one.started_at_ms, found) for one in reversed(row.tries) if (found := _signs(one.detail or ""))), (0, [])
    )
    card = card_for_line(send.data, signs or None, drill=drill)
    fields = [(label, _field(card, path)) for path, label in FIELDS if path != "vitals"]
    place = next(index for index, (path, _) in enumerate(FIELDS) if path == "vitals")
    fields.insert(place, (FIELDS[place][1], _in_words_all(signs) if sent_at_ms else _not_kept(row)))
    return Call(row, fields, str(card["text"]), [(one.started_at_ms, said_of(one.detail)) for one in row.tries])


def said_of(detail: str | None) -> str:
    """What the centre answered, with the vitals that were sent in words."""
    said, mark, _ = (detail or "").partition(_VITALS)
    return f"{said}；体征 vitals {_in_words_all(_signs(detail or ''))}" if mark else said


def _signs(detail: str) -> list[dict[str, object]]:
    signs: list[dict[str, object]] = []
    for one in detail.partition(_VITALS)[2].split("、"):
        metric, _, rest = one.partition(" ")
        value, _, code = rest.partition(" ")
        try:
            signs.append({"metric": metric, "value": float(value), "unit": code})
        except ValueError:  # cut short, or nothing there
            continue
    return signs


def _in_words_all(signs: list[dict[str, object]]) -> str:
    return "；".join(_sign_in_words(sign) for sign in signs)


def _sign_in_words(sign: Mapping[str, object]) -> str:
    metric = KINDS[MONITOR].metrics.get(str(sign["metric"]))
    name = metric.zh if metric is not None else str(sign["metric"])
    return f"{name} {sign['value']:g} {unit(str(sign['unit']))}".rstrip()


def _not_kept(row: OutboxRow) -> str:
    """What to say of the vitals where no answer tells them: an empty string where they were not known."""
    if row.status == "delivered" and len(row.tries) == 1:
        return ""
    if row.status in ("pending", "sending"):
        return "呼叫时附上最新值 the newest are added at the call"
    return "呼叫时如有即附上，未留底 added at the call if known, no copy kept"


def _field(card: Mapping[str, Any], path: str) -> str:
    value: Any = card
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return "" if path in card["unknown"] else _in_words(value)


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_in_words(part) for part in value.values() if part not in (None, ""))
    if isinstance(value, list | tuple):
        return "；".join(_in_words(part) for part in value)
    return {"male": "男", "female": "女"}.get(str(value), str(value))
