"""接入: strangers and labels become devices, two taps each once the place is known. Made for a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from devices.kinds import KINDS
from devices.profiles import PROFILES
from gateway.api.adoption import strangers, what_they_said
from gateway.api.context import Context, Gateway
from gateway.api.registering import follow
from gateway.cases.wording import Words
from gateway.journal.file import JournalError
from gateway.registry import adopt, candidates, desk
from gateway.registry.adopt import Way, Wish
from gateway.registry.candidates import Candidate
from gateway.registry.directory import CommunityDirectory
from gateway.registry.label import Label, LabelRefused, read_label
from gateway.registry.model import NATIVE, Device
from gateway.state.db import reading, writing
from gateway.web.places import find_places
from gateway.web.render import page
from gateway.web.session import Acting, Seen, may_act

router = APIRouter(prefix="/devices/adopt", include_in_schema=False)

SHOWN = 100
Text = Annotated[str, Query(max_length=2000)]
Field = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class Thing:
    """What is to be adopted: a stranger, or what a label names."""

    bridge: str
    """Empty for a thing that has not been heard."""
    address: str
    way: Way
    kind: str | None
    name: str
    serial: str
    label: str
    """The text of the label that named it."""
    said: int = 0

    @property
    def kinds(self) -> list[tuple[str, Words]]:
        """What it can be."""
        keys: Sequence[str] = tuple(KINDS) if self.way.profile == NATIVE else PROFILES[self.way.profile].kinds
        return [(key, Words(KINDS[key].zh, KINDS[key].en)) for key in keys]


def _directory(context: Context) -> CommunityDirectory:
    directory = context.directory()
    if directory is None:
        raise HTTPException(409, "尚未配置社区 · no community has been applied yet")
    return directory


@router.get("")
def adopting(
    request: Request, context: Gateway, caller: Seen, label: Text = "", place: Text = "", dismissed: bool = False
) -> HTMLResponse:
    """The strangers; with ``label``, those that the label may be on. ``place``: where the last device was adopted."""
    directory = _directory(context)
    found = strangers(context, dismissed=dismissed)
    registered: list[Device] = []
    unheard, trouble = False, Words("", "")
    if label:
        try:
            read = read_label(label)
        except LabelRefused as refused:
            trouble, found = Words(refused.zh, refused.en), []
        else:
            found = adopt.strangers_with(read, found)
            registered = adopt.registered_with(read, directory.community.devices)
            unheard = not found and not registered
    return page(
        request,
        "adopt.html",
        caller=caller,
        acts=may_act(caller),
        found=found[:SHOWN],
        more=len(found) - len(found[:SHOWN]),
        registered=registered,
        unheard=unheard,
        trouble=trouble,
        label=label,
        place=directory.place(place),
        place_path=directory.place_path(place, "zh"),
        dismissed=dismissed,
        kinds=KINDS,
        last=_last(directory, request.query_params.get("adopted", "")),
    )


def _last(directory: CommunityDirectory, device: str) -> Device | None:
    return directory.device(device)


@router.get("/one")
def one_thing(
    request: Request,
    context: Gateway,
    caller: Seen,
    bridge: Text = "",
    address: Text = "",
    label: Text = "",
    place: Text = "",
) -> HTMLResponse:
    """The form for one stranger, or for the thing that a label names."""
    directory = _directory(context)
    try:
        thing = _thing(context, directory, bridge, address, label)
    except desk.Refused as refused:
        fault = refused.faults[0]
        raise HTTPException(409, f"{fault.zh} · {fault.en}") from None
    return _form(request, context, caller, thing, {"place": place, "serial": thing.serial}, ())


def _thing(context: Context, directory: CommunityDirectory, bridge: str, address: str, label: str) -> Thing:
    """Raises HTTPException; desk.Refused for a label that tells no way."""
    read = Label(form="none")
    if label:
        try:
            read = read_label(label)
        except LabelRefused as refused:
            raise HTTPException(409, f"{refused.zh} · {refused.en}") from None
    if not address:
        way = adopt.way_of_label(read, directory.community.bridges)
        name = " ".join(filter(None, (read.vendor, read.model)))
        return Thing("", way.address, way, read.kind, name, read.serial, label)
    with reading(context.engine) as connection:
        found = candidates.find(connection, bridge, address)
    if found is None:
        raise HTTPException(404, f"没有待接入设备 {bridge} {address} · there is no such stranger")
    return Thing(
        found.bridge,
        found.address,
        adopt.way_of(found),
        read.kind or found.kind,
        _described(found),
        read.serial,
        label,
        found.heard,
    )


def _described(one: Candidate) -> str:
    return " ".join(filter(None, (one.vendor, one.model, one.name if one.name != one.address else "")))


def _form(
    request: Request,
    context: Context,
    caller: Any,
    thing: Thing,
    values: dict[str, str],
    faults: Sequence[Words],
    status: int = 200,
) -> HTMLResponse:
    directory = _directory(context)
    place = values.get("place", "")
    return page(
        request,
        "adopt_one.html",
        status=status,
        caller=caller,
        acts=may_act(caller),
        thing=thing,
        values=dict.fromkeys(("kind", "id", "name_zh", "serial"), "") | values,
        faults=faults,
        found=find_places(directory, place)[:1] if directory.place(place) is not None else [],
        place=place,
        residents=_residents(directory, place),
        resident=values.get("resident", adopt.resident_of(directory.community, place) or ""),
        said=_said(context, thing),
        profile=PROFILES.get(thing.way.profile),
    )


def _said(context: Context, thing: Thing) -> list[Any]:
    if not thing.bridge:
        return []
    with reading(context.engine) as connection:
        found = candidates.find(connection, thing.bridge, thing.address)
    try:
        return [] if found is None else what_they_said(context, found)
    except JournalError:
        return []  # the page is for adopting; that the journal cannot be read, the console says


def _residents(directory: CommunityDirectory, place: str) -> list[tuple[str, str]]:
    """Those who live at the place, to be chosen from."""
    return [(one.id, one.name) for one in directory.community.residents if place and one.home == place]


@router.get("/places")
def places(request: Request, context: Gateway, _: Seen, q: Text = "") -> HTMLResponse:
    """The places that fit what is being typed."""
    directory = _directory(context)
    found = find_places(directory, q)
    return page(
        request, "adopt_places.html", found=found, typed=bool(q.strip()), place=found[0].id if len(found) == 1 else ""
    )


@router.get("/residents")
def residents(request: Request, context: Gateway, _: Seen, place: Text = "") -> HTMLResponse:
    """Who may be served at a place that was just chosen."""
    directory = _directory(context)
    suggested = adopt.resident_of(directory.community, place) or ""
    return page(request, "adopt_residents.html", residents=_residents(directory, place), resident=suggested)


@router.post("/dismiss")
def dismiss(context: Gateway, _: Acting, bridge: Field, address: Field, place: Field = "") -> Response:
    """Nobody wants this stranger among the devices."""
    with writing(context.engine) as connection:
        candidates.dismiss(connection, bridge, address, context.clock.now_ms())
    return RedirectResponse(f"/devices/adopt?{urlencode({'place': place})}", status_code=303)


@router.post("")
async def adopt_it(
    request: Request,
    context: Gateway,
    caller: Acting,
    bridge: Field = "",
    address: Field = "",
    label: Annotated[str, Form(max_length=2000)] = "",
    kind: Field = "",
    place: Field = "",
    resident: Field = "",
    id: Field = "",
    name_zh: Field = "",
    serial: Field = "",
) -> Response:
    """Adopt; the list comes again with the place kept, for the next one. What stands against it stands in the form."""
    values = {"kind": kind, "place": place, "resident": resident, "id": id, "name_zh": name_zh, "serial": serial}
    values = {name: value.strip() for name, value in values.items()}
    directory = _directory(context)
    try:
        thing = await asyncio.to_thread(_thing, context, directory, bridge, address, label)
        by = "label" if label else "adopt"
        wish = Wish(**values)
        plan = adopt.adopted(thing.way, wish, kind=thing.kind, by=by)
        now_ms = context.clock.now_ms()
        done = await asyncio.to_thread(desk.carry_out, context.engine, plan, caller.actor, now_ms)
    except desk.Refused as refused:
        faults = [Words(f"{_FIELDS.get(one.field, one.field)} {one.zh}".strip(), one.en) for one in refused.faults]
        return await asyncio.to_thread(_form, request, context, caller, thing, values, faults, 409)
    await follow(context, done.revision)
    query = urlencode({"place": place, "adopted": done.devices[0].id})
    return RedirectResponse(f"/devices/adopt?{query}", status_code=303)


_FIELDS = {"place": "地点", "kind": "种类", "resident": "居民", "id": "编号", "address": "地址", "serial": "序列号"}
