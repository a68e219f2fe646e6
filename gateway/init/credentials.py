"""Every device its own password at the broker: a table for the installer, kept from one run to the next."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.registry.model import NATIVE, Community

COLUMNS = ("device", "password", "named_by")
COMMUNITY = "community"
"""Named by the community's files: the row goes when the device goes there."""
HAND = "hand"
"""Named on the command line, for a device that was adopted at the running gateway: the row stays."""


@dataclass(frozen=True, slots=True)
class Credential:
    """How one device signs in: its user name is its id in topics."""

    device: str
    password: str
    named_by: str


def devices_of(community: Community) -> list[str]:
    """The ids by which devices of the native protocol appear in topics; those out of service have no way in."""
    return sorted(
        device.address or device.id
        for device in community.devices
        if device.profile == NATIVE and device.status != "retired" and device.kind != "gateway"
    )


def read_table(text: str) -> dict[str, Credential]:
    """The table by device. Raises ValueError with the line that cannot be used."""
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"expected the columns {', '.join(COLUMNS)}, found {', '.join(reader.fieldnames or ())}")
    rows: dict[str, Credential] = {}
    for row in reader:
        device, password, named_by = (row[column] for column in COLUMNS)
        if not device or not password or named_by not in (COMMUNITY, HAND):
            raise ValueError(f"line {reader.line_num}: expected device, password, and {COMMUNITY} or {HAND}")
        if device in rows:
            raise ValueError(f"line {reader.line_num}: {device} stands twice")
        rows[device] = Credential(device, password, named_by)
    return rows


def brought_up_to_date(
    known: Mapping[str, Credential], of_community: Iterable[str] | None, by_hand: Iterable[str]
) -> list[Credential]:
    """The table after a run: passwords stay, new devices get one, devices that are gone lose theirs.

    ``of_community`` None: no community was named, and nothing is taken away.
    """
    kept = {row.device: row for row in known.values() if of_community is None or row.named_by == HAND}
    for device in of_community or ():
        found = known.get(device)
        kept[device] = Credential(device, found.password if found else _password(), COMMUNITY)
    for device in by_hand:
        kept.setdefault(device, Credential(device, known[device].password if device in known else _password(), HAND))
    return [kept[device] for device in sorted(kept)]


def write_table(rows: Iterable[Credential]) -> str:
    """The table as a file, with a heading."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((row.device, row.password, row.named_by) for row in rows)
    return out.getvalue()


def _password() -> str:
    return secrets.token_urlsafe(18)
