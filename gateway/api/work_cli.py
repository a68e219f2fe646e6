"""`anju cases report` and `anju cases act`: what people report and decide, at a running gateway."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape

from gateway.api.remote import TokenOption, UrlOption, ask
from gateway.cases.causes import Cause
from gateway.cases.commands import Action
from gateway.cases.wording import ACTIONS, STAGES
from gateway.terminal import fail

out = Console(highlight=False)
GATEWAY = "http://127.0.0.1:8120"


def add_to(cases_app: typer.Typer) -> None:
    """Hang the commands into `anju cases`."""
    words = " · ".join(f"{action} {says.zh}" for action, says in ACTIONS.items())
    cases_app.command("act", help=f"{(act.__doc__ or '').strip()}\n\n{words}.")(act)
    cases_app.command("report")(report)


def act(
    case_id: Annotated[str, typer.Argument(help="The case's number, such as 2026-000042.", show_default=False)],
    action: Annotated[Action, typer.Argument(help="What to do; the words of all of them stand above.")],
    reason: Annotated[str, typer.Option(help="Why; needed where something is taken away, and for a note.")] = "",
    to: Annotated[str, typer.Option(help="Who is dispatched or arrived; who was asked.")] = "",
    code: Annotated[str, typer.Option(help="Of take_back: the resident's own code.")] = "",
    cause: Annotated[Cause | None, typer.Option(help="Of cancel: why the alarm was false.")] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Of suspend and ask_time: until when, by this machine's clock.")
    ] = None,
    into: Annotated[str, typer.Option(help="Of merge: the other case.")] = "",
    work: Annotated[str, typer.Option(help="Of split: the type of work of the new case.")] = "",
    done: Annotated[bool | None, typer.Option("--done/--not-done", help="Of call_back: whether it is done.")] = None,
    score: Annotated[int | None, typer.Option(min=1, max=5, help="Of rate: 1 to 5.")] = None,
    by: Annotated[str, typer.Option(help="Of rate: whose word it is, residents or an organisation's id.")] = "",
    way: Annotated[str, typer.Option(help="Of call_back and rate: by which way it was asked.")] = "",
    url: UrlOption = GATEWAY,
    token: TokenOption = "",
) -> None:
    """办理 · Decide on a case of a running gateway."""
    said: dict[str, object] = {
        **{"reason": reason, "to": to, "code": code, "cause": cause, "into": into, "work": work},
        **{"done": done, "score": score, "by": by, "way": way, "key": secrets.token_hex(12)},
        "until_ms": None if until is None else int(until.timestamp() * 1000),
    }
    document = ask("POST", f"/api/v1/cases/{quote(case_id, safe='')}/{action}", url, token, said)
    try:
        case = document["case"]
        others, stage = "、".join(link["number"] for link in case["links"]), STAGES[case["stage"]]
        out.print(f"{escape(case['number'])}: {stage.zh} {stage.en}{f' → {escape(others)}' if others else ''}")
    except (LookupError, TypeError):
        fail(f"{url} is no gateway of this version", f"{document!s:.200}")


def report(
    text: Annotated[str, typer.Argument(help="What was reported, in the reporter's words.")],
    work: Annotated[str, typer.Option(help="The type of work: an id of the community's table.")] = "other_work",
    source: Annotated[
        Literal["kiosk", "phone", "pole", "hotline", "inspection", "service"], typer.Option(help="How it came in.")
    ] = "phone",
    place: Annotated[str | None, typer.Option(help="The id of a place.")] = None,
    pole: Annotated[str, typer.Option(help="The number on the pole next to it.")] = "",
    resident: Annotated[str | None, typer.Option(help="The id of the resident whom it concerns.")] = None,
    name: Annotated[str, typer.Option(help="Who reports.")] = "",
    phone: Annotated[str, typer.Option(help="Their telephone.")] = "",
    channel: Annotated[str, typer.Option(help="The ticket, or by which way in particular.")] = "",
    key: Annotated[str, typer.Option(help="Of this report: sent twice under it, it opens one case.")] = "",
    url: UrlOption = GATEWAY,
    token: TokenOption = "",
) -> None:
    """上报 · Report something that has to be done: a case is opened and those who do such work are told."""
    said: dict[str, object] = {
        **{"key": key or secrets.token_hex(12), "work": work, "text": text, "source": source, "place": place},
        **{"pole": pole, "resident": resident},
        "reporter": {"name": name, "phone": phone, "channel": channel} if name or phone or channel else None,
    }
    document = ask("POST", "/api/v1/cases", url, token, said)
    try:
        case, stage = document["case"], STAGES[document["case"]["stage"]]
        out.print(f"{escape(case['number'])}: {escape(document['type_zh'])} · {stage.zh} {stage.en}")
    except (LookupError, TypeError):
        fail(f"{url} is no gateway of this version", f"{document!s:.200}")
