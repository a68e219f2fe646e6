"""Do the ladders hold together: does everybody exist whom they name, do their steps come in an order that makes sense,
and (`now`) would each reach somebody at this moment?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from devices.kinds import KINDS
from gateway.cases.policy import Ladder, Recipient, Rung
from gateway.cases.wording import Words
from gateway.registry.check_duty import Missing
from gateway.registry.directory import CommunityDirectory
from gateway.registry.finding import Finding
from gateway.registry.model import Community
from gateway.registry.problem import Path, did_you_mean


def rungs_of(ladder: Ladder) -> Iterator[tuple[Path, Rung]]:
    """Every rung, those of the branches too, with where it stands."""
    for position, rung in enumerate(ladder.rungs):
        yield ("rungs", position), rung
    for number, branch in enumerate(ladder.branches):
        for position, rung in enumerate(branch.rungs):
            yield ("branches", number, "rungs", position), rung


def told_by(ladder: Ladder) -> Iterator[tuple[Path, Recipient]]:
    """Everybody whom a ladder tells, with where."""
    for path, rung in rungs_of(ladder):
        for number, recipient in enumerate(rung.notify):
            yield (*path, "notify", number), recipient
    if ladder.fallback is not None:
        for number, recipient in enumerate(ladder.fallback.notify):
            yield ("fallback", "notify", number), recipient


def ladders(
    community: Community, missing: Missing, misspelt: Mapping[str, str], *, has_line: bool
) -> Iterator[Finding]:
    """``misspelt``: roles in no roster, each with the hint at the one that was meant."""
    for index, ladder in enumerate(community.ladders):
        yield from _named(index, ladder, missing, misspelt)
        yield from _devices(index, ladder)
        yield from _rules(community, index, ladder)
        yield from _order(index, ladder)
        line = ladder.call_index
        if line is not None and not has_line:
            message = (
                f"the rung calls {ladder.rungs[line].call}, but there is no emergency_line section; "
                "add it to the main file"
            )
            yield Finding(level="error", section="ladders", index=index, path=("rungs", line, "call"), message=message)
        if ladder.life_safety and line is None:
            message = 'life safety without a rung that calls an emergency line; add a last rung with call: "120"'
            if ladder.fallback is None:
                message += ", or a fallback at least"
            yield Finding(level="warning", section="ladders", index=index, message=message)
        if line is not None and community.community is not None and not community.community.call_back:
            message = f"{ladder.id} calls an emergency line; give the control room's telephone for the dispatcher"
            yield Finding(level="warning", section="community", path=("call_back",), message=message)


def _named(index: int, ladder: Ladder, missing: Missing, misspelt: Mapping[str, str]) -> Iterator[Finding]:
    for path, recipient in told_by(ladder):
        if recipient.person is not None:
            yield from missing("people", recipient.person, "ladders", index, (*path, "person"))
        if recipient.organisation is not None:
            yield from missing("organisations", recipient.organisation, "ladders", index, (*path, "organisation"))
        if recipient.role is not None and recipient.role in misspelt:
            message = f"role {recipient.role} is in no roster{misspelt[recipient.role]}"
            yield Finding(level="error", section="ladders", index=index, path=(*path, "role"), message=message)


def _rules(community: Community, index: int, ladder: Ladder) -> Iterator[Finding]:
    known = {rule.id for rule in community.rules}
    for number, dial in enumerate(ladder.lines):
        for position, rule in enumerate(dial.rules):
            if rule not in known:
                message = f"no rule is called {rule}{did_you_mean(rule, known)}; this line is never called for it"
                path = ("lines", number, "rules", position)
                yield Finding(level="warning", section="ladders", index=index, path=path, message=message)


def _devices(index: int, ladder: Ladder) -> Iterator[Finding]:
    """Do the kinds exist that a rung commands, and do they know the command and its arguments?"""
    fallback = () if ladder.fallback is None else ((("fallback",), ladder.fallback.devices),)
    for path, orders in chain(((path, rung.devices) for path, rung in rungs_of(ladder)), fallback):
        for number, order in enumerate(orders):
            at: Path = (*path, "devices", number)
            for kind in order.kinds:
                if kind not in KINDS:
                    message = f"unknown kind {kind}{did_you_mean(kind, KINDS)}; known kinds: {', '.join(sorted(KINDS))}"
                elif (command := KINDS[kind].commands.get(order.command)) is None:
                    known = ", ".join(KINDS[kind].commands) or "none"
                    message = f"unknown command {order.command} of {kind}; it knows: {known}"
                elif wrong := next((k for k, v in order.args.items() if v not in command.args.get(k, ())), None):
                    expected = ", ".join(command.args.get(wrong, ())) or f"no {wrong}"
                    message = f"expected one of {expected} for {wrong} of {order.command}, found {order.args[wrong]}"
                else:
                    continue
                yield Finding(level="error", section="ladders", index=index, path=at, message=message)


def _order(index: int, ladder: Ladder) -> Iterator[Finding]:
    """Steps that cannot do what they are for, because of when they come."""
    line = ladder.call_index
    found: list[tuple[Path, str]] = []
    if ladder.life_safety and ladder.rungs[0].after_s:
        found.append(
            (("rungs", 0, "after_s"), f"nobody is told for {ladder.rungs[0].after_s} s; begin with after_s: 0")
        )
    if line is not None:
        rung, total_s = ladder.rungs[line], sum(one.after_s for one in ladder.rungs[: line + 1])
        for position, late in enumerate(ladder.rungs[line + 1 :], line + 1):
            if late.notify:
                message = f"{late.id} is told only after the line was called; put it before {rung.id}"
                found.append((("rungs", position), message))
        if total_s < ladder.cancel_window_s:
            message = (
                f"the line is called after {total_s} s, before the cancel window of {ladder.cancel_window_s} s ends"
            )
            found.append((("rungs", line, "after_s"), message))
        if rung.arm_s is not None and rung.arm_s > total_s:
            message = f"the line is armed {rung.arm_s} s before it is called, and called after {total_s} s already"
            found.append((("rungs", line, "arm_s"), message))
        if rung.countdown_s > (total_s if rung.arm_s is None else rung.arm_s):
            message = f"the countdown of {rung.countdown_s} s begins before the line is armed; give arm_s as much"
            found.append((("rungs", line, "countdown_s"), message))
    for path, message in found:
        yield Finding(level="warning", section="ladders", index=index, path=path, message=message)


def now(directory: CommunityDirectory, now_ms: int) -> list[Words]:
    """Ladders that would reach nobody at this moment, each with where first."""
    channels = {channel.id for channel in directory.community.channels}
    found: list[Words] = []
    kinds: dict[str, set[str]] = {}
    for rule in directory.community.rules:
        if rule.enabled:
            kinds.setdefault(rule.raises.ladder, set()).update(rule.kinds)
    for ladder in directory.community.ladders:
        recipients = tuple(dict.fromkeys(recipient for _, recipient in told_by(ladder)))
        at = {
            (device.place, device.resident): None
            for device in directory.devices.values()
            if device.kind in kinds.get(ladder.id, ())
        }
        silent = [
            place
            for place, resident in at
            if not any(
                address.channel in channels
                for recipient in recipients
                for target in directory.resolve(recipient, place=place, resident=resident, at_ms=now_ms)
                for address in target.addresses
            )
        ]
        if silent:
            places = sorted(set(silent))
            zh_more, en_more = (f"等 {len(places)} 处", f" and {len(places) - 1} more") if len(places) > 1 else ("", "")
            found.append(
                Words(
                    f"升级流程 {ladder.id} 此刻在 {places[0]}{zh_more}通知不到任何人",
                    f"ladder {ladder.id} reaches nobody at {places[0]}{en_more} now: anju ladder simulate shows why",
                )
            )
    return found
