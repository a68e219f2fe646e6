"""`anju devices candidates|adopt|dismiss|add|change|replace|retire`: devices come, change and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from gateway.registry import adopt as adoption
from gateway.registry import candidates, desk
from gateway.registry.candidates import Candidate
from gateway.registry.csvfile import fact_of
from gateway.registry.label import Label, LabelRefused, read_label
from gateway.registry.model import NATIVE
from gateway.registry.opened import (
    DeviceArgument,
    Opened,
    WhyOption,
    carried_out,
    changed,
    listing,
    opened,
    out,
    refuse,
    shown,
)
from gateway.rules.forms import Fact
from gateway.state.db import reading, writing
from gateway.terminal import DataDirOption, SettingsOption, fail

BridgeArgument = Annotated[str, typer.Argument(metavar="BRIDGE", help="Id of the bridge, or native.")]
AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="As `anju devices candidates` shows it.")]
PlaceOption = Annotated[str, typer.Option("--place", help="Id of the place where it is.")]
KindOption = Annotated[str, typer.Option("--kind", help="What it is, such as smoke; where it cannot be told.")]
ResidentOption = Annotated[
    str | None, typer.Option("--resident", help="Whom it serves; the only one who lives there where it is left out.")
]
IdOption = Annotated[str, typer.Option("--id", help="Its id; one is made of kind and place where it is left out.")]
NameOption = Annotated[str, typer.Option("--name", help="Its own name, such as 厨房烟感.")]
SerialOption = Annotated[str, typer.Option("--serial", help="The maker's serial number.")]


def add_to(app: typer.Typer) -> None:
    """Hang these commands into ``anju devices``."""
    app.command("candidates")(list_candidates)
    app.command("adopt")(adopt)
    app.command("dismiss")(dismiss)
    app.command("add")(add)
    app.command("change")(change)
    app.command("replace")(replace)
    app.command("retire")(retire)


def list_candidates(
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Also those somebody wants to see no more.")] = False,
    label: Annotated[str, typer.Option("--label", help="Only what this QR code or serial number is on.")] = "",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """待接入设备 · Gear that spoke, or that a bridge described, and is not registered; `adopt` takes it in."""
    with opened(settings, data_dir) as registry:
        found = _strangers(registry, dismissed=dismissed)
    if label:
        found = adoption.strangers_with(_label(label), found)
    names = ("网桥 bridge", "地址 address", "种类 kind", "厂家型号 maker, model", "次数 heard", "最后 last")
    table = listing(*names, whole=2)
    for one in found:
        table.add_row(
            one.bridge,
            escape(one.address),
            shown(one.kind),
            escape(" ".join(filter(None, (one.vendor, one.model, one.name)))),
            str(one.heard),
            registry.instant(one.last_ms),
        )
    out.print(table if found else "没有待接入设备 no strangers")


def _strangers(registry: Opened, *, dismissed: bool = False) -> list[Candidate]:
    with reading(registry.engine) as connection:
        found = candidates.waiting(connection, dismissed=dismissed)
    return adoption.unregistered(found, registry.directory)


def _label(text: str) -> Label:
    try:
        return read_label(text)
    except LabelRefused as refused:
        fail("标签无法使用 the label cannot be used", refused)


def adopt(
    bridge: BridgeArgument,
    address: AddressArgument,
    place: PlaceOption,
    kind: KindOption = "",
    resident: ResidentOption = None,
    id_: IdOption = "",
    name: NameOption = "",
    serial: SerialOption = "",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """接入设备 · Make a stranger a device of this community: from now on it is listened to.

    Example: `anju devices adopt z2m 0x00158d0001a2b3c4 --place b3-501`
    """
    with opened(settings, data_dir) as registry:
        with reading(registry.engine) as connection:
            stranger = candidates.find(connection, bridge, address)
        if stranger is None:
            fail(f"没有这台待接入设备 there is no stranger {bridge} {address}", "see: anju devices candidates")
        wish = _wish(registry, place, kind, resident, id_, name, serial)
        plan = adoption.adopted(adoption.way_of(stranger), wish, kind=stranger.kind, by="adopt")
        done = carried_out(registry.engine, plan, registry.now_ms)
    changed(done, f"已接入 adopted: {done.devices[0].id} ({done.devices[0].kind})")


def _wish(
    registry: Opened, place: str, kind: str, resident: str | None, id_: str, name: str, serial: str
) -> adoption.Wish:
    if resident is None:
        resident = adoption.resident_of(registry.directory.community, place) or ""
    return adoption.Wish(place=place, kind=kind, resident=resident, id=id_, name_zh=name, serial=serial)


def dismiss(
    bridge: BridgeArgument, address: AddressArgument, settings: SettingsOption = None, data_dir: DataDirOption = None
) -> None:
    """忽略陌生设备 · It is none of ours: the list of strangers shows it no more."""
    with opened(settings, data_dir) as registry, writing(registry.engine) as connection:
        if not candidates.dismiss(connection, bridge, address, registry.now_ms):
            fail(f"没有这台待接入设备 there is no stranger {bridge} {address}", "see: anju devices candidates")
    out.print(f"已忽略 dismissed: {bridge} {address}", markup=False)


def add(
    label: Annotated[str, typer.Argument(metavar="[LABEL]", help="What its QR code or label says.")] = "",
    place: PlaceOption = "",
    kind: KindOption = "",
    resident: ResidentOption = None,
    id_: IdOption = "",
    name: NameOption = "",
    serial: SerialOption = "",
    profile: Annotated[str, typer.Option(help="native, or one of `anju devices profiles`.")] = "",
    bridge: Annotated[str, typer.Option(help="Id of its bridge.")] = "",
    address: Annotated[str, typer.Option(help="What the hardware calls itself.")] = "",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """登记设备 · Register a device, by what stands on it, or by its address; it need not have spoken yet.

    Examples: `anju devices add "LW:D0:70B3D57ED0000010:0018B20000000101:000AF8BE" --kind leak --place b3-501`,
    `anju devices add --kind sos_button --id sos-0007 --place b3-501`
    """
    with opened(settings, data_dir) as registry:
        read = _label(label) if label else Label(form="none")
        serial = serial or read.serial
        way, known_kind = _way(registry, read, profile, bridge, address or id_)
        wish = _wish(registry, place, kind or read.kind or "", resident, id_, name, serial)
        plan = adoption.adopted(way, wish, kind=known_kind, by="label" if label else "desk")
        done = carried_out(registry.engine, plan, registry.now_ms)
    changed(done, f"已登记 added: {done.devices[0].id} ({done.devices[0].kind})")


def _way(registry: Opened, label: Label, profile: str, bridge: str, address: str) -> tuple[adoption.Way, str | None]:
    """How the device is heard: as the options say, as a stranger was, or as its label tells."""
    if address and (profile or label.form == "none"):
        return adoption.Way(profile=profile or NATIVE, bridge=bridge or None, address=address), None
    community = registry.directory.community
    for known in adoption.registered_with(label, community.devices):
        fail(f"已登记 {known.id} is registered with this label", f"anju devices show {known.id}")
    found = adoption.strangers_with(label, _strangers(registry))
    if len(found) == 1:
        return adoption.way_of(found[0]), found[0].kind
    if found:
        names = ", ".join(f"{one.bridge} {one.address}" for one in found)
        fail("标签对应多台设备 the label is on several strangers", f"{names}; take `anju devices adopt BRIDGE ADDRESS`")
    try:
        return adoption.way_of_label(label, [one for one in community.bridges if not bridge or one.id == bridge]), None
    except desk.Refused as refused:
        refuse(refused)


def change(
    device: DeviceArgument,
    kind: KindOption = "",
    place: PlaceOption = "",
    resident: Annotated[str | None, typer.Option("--resident", help="Whom it serves; '' for nobody.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Its own name; '' for that of its kind.")] = None,
    name_en: Annotated[str | None, typer.Option("--name-en", help="Its own name in English.")] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="The maker's serial number.")] = None,
    supervision: Annotated[
        int | None, typer.Option("--supervision", help="Longest healthy silence in s; 0 for the kind's own.")
    ] = None,
    via: Annotated[str | None, typer.Option("--via", help="The device that carries it; '' for none.")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option("--attribute", help="What rules may know: NAME=VALUE, NAME= takes it away; the others stay."),
    ] = None,
    back: Annotated[bool, typer.Option("--back-in-service", help="It is retired no more.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """修改设备 · Give a device another place, resident, name, kind, supervision interval, carrier, or attributes.

    Example: `anju devices change contact-b3-501 --attribute role=front_door --via hub-1`
    """
    fields: dict[str, Any] = {key: value for key, value in (("kind", kind), ("place", place)) if value}
    fields |= {
        key: value or None
        for key, value in (("resident", resident), ("serial", serial), ("via", via))
        if value is not None
    }
    if supervision is not None:
        fields["supervision_s"] = supervision or None
    if back:
        fields["status"] = "active"
    with opened(settings, data_dir) as registry:
        known = registry.device(device)
        before = known.name
        if attribute:
            fields["attributes"] = _attributes(known.attributes, attribute)
        if name is not None or name_en is not None:
            zh = name if name is not None else before.zh if before is not None else ""
            en = name_en if name_en is not None else before.en if before is not None and name is None else ""
            fields["name"] = {"zh": zh or en, "en": en or zh} if zh or en else None
        done = carried_out(registry.engine, desk.change(device, fields), registry.now_ms)
    changed(done, f"已修改 changed: {device}")


def _attributes(before: Mapping[str, Fact], given: Sequence[str]) -> dict[str, Fact]:
    """The attributes with those that were given laid over them; what was given without a value is taken away."""
    attributes = dict(before)
    for one in given:
        name, equals, value = (part.strip() for part in one.partition("="))
        if not equals or not name:
            fail(f"属性写法不对 {one!r} is no attribute", "expected NAME=VALUE, such as role=front_door")
        if value:
            attributes[name] = fact_of(value)
        else:
            attributes.pop(name, None)
    return attributes


def replace(
    device: DeviceArgument,
    address: Annotated[str, typer.Option(help="What the new hardware calls itself.")],
    serial: SerialOption = "",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """更换硬件 · Other hardware does the work of a device from now on.

    Its id, readings, cases and history stay. The old hardware is heard no more: it is a stranger from now on.
    """
    with opened(settings, data_dir) as registry:
        registry.device(device)
        done = carried_out(registry.engine, desk.replace(device, address=address, serial=serial), registry.now_ms)
    changed(done, f"已更换 replaced: {device} → {address}")


def retire(
    device: DeviceArgument, why: WhyOption, settings: SettingsOption = None, data_dir: DataDirOption = None
) -> None:
    """停用设备 · A device is no longer listened to and not supervised; its history stays."""
    with opened(settings, data_dir) as registry:
        registry.device(device)
        done = carried_out(registry.engine, desk.retire(device, why), registry.now_ms)
    changed(done, f"已停用 retired: {device}", f"{device} 已经停用 is retired already")
