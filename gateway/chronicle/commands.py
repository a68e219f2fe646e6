"""What devices were told to do, once the fate of the command is known, as one point each: done, and how soon. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from devices.kinds import KINDS
from gateway.cases.effects import Send
from gateway.cases.wording import Words
from gateway.chronicle.cases import flag, in_both
from gateway.chronicle.ground import Ground
from gateway.chronicle.messages import Said, said_ns
from gateway.outbox.table import DELIVERED, FAILED
from gateway.store.protocol import Point

COMMAND: Final = "command"
SHOWN: Final[Mapping[str, Words]] = {
    "free": Words("畅通", "free"),
    "mostly_free": Words("基本畅通", "mostly free"),
    "light": Words("轻度拥堵", "light congestion"),
    "moderate": Words("中度拥堵", "moderate congestion"),
    "severe": Words("严重拥堵", "severe congestion"),
    "congestion": Words("拥堵", "congestion"),
    "accident": Words("事故", "accident"),
    "road_works": Words("施工", "road works"),
    "road_closed": Words("道路封闭", "road closed"),
    "detour": Words("绕行", "detour"),
    "slow_down": Words("减速慢行", "slow down"),
    "pedestrians": Words("注意行人", "pedestrians"),
    "slippery": Words("路面湿滑", "slippery"),
    "fog": Words("有雾", "fog"),
    "flood": Words("积水", "flood"),
    "fire": Words("火情", "fire"),
}
"""What a sign shows, in words; how bright, and nothing, needs none."""


def command_point(said: Said, ground: Ground) -> Point:
    """The command of a row of the outbox. Raises pydantic.ValidationError for a body that is none."""
    send, directory = Send.model_validate_json(said.body), ground.directory
    device = directory.device(send.to)
    kind, command = "" if device is None else device.kind, str(send.data.get("command", ""))
    stamps = directory.areas.of_device(send.to)
    fields: dict[str, float | str] = {
        "took_s": max(0, said.ended_at_ms - said.created_at_ms) / 1000,
        "attempts": float(said.attempts),
        "case": said.number,
        "device": send.to,
        "place": stamps.place,
        **in_both("name", ground.device_name(send.to)),
        **in_both("place", ground.path(stamps.place)),
        **in_both("says", _words(kind, command, send.data.get("args"))),
    }
    if said.result in (DELIVERED, FAILED):
        fields["done"] = float(said.result == DELIVERED)
    return Point(
        measurement=COMMAND,
        tags={
            "community": stamps.community,
            "grid": stamps.grid,
            "building": stamps.building,
            "kind": kind,
            "command": command,
            "result": said.result,
            "drill": flag(said.drill),
        },
        fields=fields,
        at_ns=said_ns(said),
    )


def _words(kind: str, command: str, args: object) -> Words:
    """The command in words, and what a sign is to show."""
    known = KINDS[kind].commands.get(command) if kind in KINDS else None
    told = Words(known.zh, known.en) if known is not None else Words(command, command)
    values = args.values() if isinstance(args, Mapping) else ()
    shown = [SHOWN[value] for value in values if value in SHOWN] if kind == "sign" else []
    if not shown:
        return told
    return Words(f"{told.zh}：{'、'.join(one.zh for one in shown)}", f"{told.en}: {', '.join(one.en for one in shown)}")
