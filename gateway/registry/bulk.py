"""A thousand devices at once: a table becomes a change of the registry, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.registry import desk, store
from gateway.registry.csvfile import Row, RowFault, TableRefused, device_of, read_table
from gateway.registry.fields import fields_between
from gateway.registry.model import Device

Progress = Callable[[Sequence[Row]], Iterable[Row]]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a table changes, or has changed."""

    rows: int
    added: tuple[Device, ...]
    changed: tuple[store.Changed, ...]
    done: desk.Done

    @property
    def unchanged(self) -> int:
        """How many rows say what the registry says already."""
        return self.rows - len(self.added) - len(self.changed)


def import_table(
    engine: sa.Engine, data: bytes, actor: str, now_ms: int, *, dry_run: bool, progress: Progress = iter
) -> Imported:
    """Bring the devices of a table into the registry; devices that stand in no row stay as they are.

    ``progress``: is given the rows, and hands them on. Raises TableRefused with every fault; desk.NoCommunity.
    """
    rows = read_table(data)
    community = store.load(engine)
    if community is None:
        raise desk.NoCommunity
    known = {device.id: device for device in community.devices}
    devices: list[Device] = []
    numbers: dict[str, int] = {}
    faults: list[RowFault] = []
    for row in progress(rows):
        if row.id in numbers:
            en = f"the id stands in row {numbers[row.id]} already; give each device one row"
            faults.append(RowFault(row.number, "id", row.id, "编号重复", en))
            continue
        numbers[row.id] = row.number
        try:
            devices.append(device_of(row, known))
        except TableRefused as refused:
            faults.extend(refused.faults)
    try:
        # Rows that can be read are checked beside those that cannot: every fault is named at once.
        plan = desk.together(devices, by="import")
        done = desk.carry_out(engine, plan, actor, now_ms, dry_run=dry_run or bool(faults))
    except desk.NoCommunity:
        raise
    except desk.Refused as refused:
        raise TableRefused(sorted([*faults, *_by_row(refused, rows, numbers)], key=lambda one: one.row)) from None
    if faults:
        raise TableRefused(faults)
    changed = tuple(
        store.Changed("devices", device.id, fields_between("devices", known[device.id], device))
        for device in done.devices
        if device.id in known
    )
    added = tuple(device for device in done.devices if device.id not in known)
    return Imported(len(rows), added, changed, done)


def _by_row(refused: desk.Refused, rows: Sequence[Row], numbers: Mapping[str, int]) -> Iterator[RowFault]:
    """What stands against the devices, by the rows in which they stand."""
    cells = {row.number: row.cells for row in rows}
    for fault in refused.faults:
        number = numbers.get(fault.entry, 0)
        said = fault.en if number else f"{fault.entry}: {fault.en}"
        yield RowFault(number, fault.field, cells.get(number, {}).get(fault.field, ""), fault.zh, said)
