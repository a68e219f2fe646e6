"""The community of the benchmarks: homes with a button and a monitor, one relative each, and ladders that stay quiet.

Every resident has a relative with a messenger address of their own, so that a notification that arrives names the press
it came from. The first rung goes out at once; the next comes hours later, so that many open cases stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.cases.directory import Address
from gateway.cases.policy import Ladder, Recipient, Rung
from gateway.registry.channels import AppriseChannel
from gateway.registry.model import Community, CommunityInfo, Device, Person, Place, Relative, Resident
from gateway.registry.values import Text
from gateway.rules.library import library_rules

COMMUNITY = "bench"
LATER_S = 6 * 3600


def button(number: int) -> str:
    return f"sos-{number:04d}"


def service_key(number: int) -> str:
    return f"service-{number:04d}"


def monitor(number: int) -> str:
    return f"vitals-{number:04d}"


def relative(number: int) -> str:
    return f"relative-{number:04d}"


def build(residents: int, messenger_port: int, *, services: bool = False, per_minute: int | None = None) -> Community:
    """A community of ``residents`` homes under the whole rule library.

    ``services``: with a service key in each home; ``per_minute``: the messenger's pace.
    """
    kinds: tuple[tuple[str, Callable[[int], str]], ...] = (("sos_button", button), ("vitals_monitor", monitor))
    if services:
        kinds = (*kinds, ("service_button", service_key))
    rules = tuple(library_rules().values())
    numbers = range(residents)
    return Community(
        anju=1,
        community=CommunityInfo(id=COMMUNITY, name=Text(zh="测试社区", en="Benchmark community")),
        places=(
            Place(id="yard", level="courtyard", name=Text(zh="测试院", en="Courtyard")),
            *(
                Place(id=f"door-{n}", level="door", name=Text(zh=f"{n} 号", en=f"No. {n}"), parent="yard")
                for n in numbers
            ),
        ),
        people=tuple(
            Person(id=relative(n), name=f"家属{n}", contacts=(Address(channel="messenger", to=relative(n)),))
            for n in numbers
        ),
        residents=tuple(
            Resident(
                id=f"resident-{n}",
                name=f"居民{n}",
                home=f"door-{n}",
                family=(Relative(person=relative(n), relation="女儿"),),
            )
            for n in numbers
        ),
        devices=tuple(
            Device(id=name(n), kind=kind, place=f"door-{n}", resident=f"resident-{n}")
            for n in numbers
            for kind, name in kinds
        ),
        rules=rules,
        ladders=tuple(_ladder(name) for name in sorted({rule.raises.ladder for rule in rules})),
        channels=(
            AppriseChannel(
                id="messenger",
                type="apprise",
                url=f"json://127.0.0.1:{messenger_port}/inbox/{{to}}",
                per_minute=per_minute,
            ),
        ),
    )


def _ladder(name: str) -> Ladder:
    return Ladder(
        id=name,
        life_safety=name == "life-safety",
        lease_s=LATER_S,
        repeat_s=LATER_S,
        rungs=(
            Rung(id="family", after_s=0, notify=(Recipient(family=True),)),
            Rung(id="family-again", after_s=LATER_S, notify=(Recipient(family=True),)),
        ),
    )
