"""The steps as people read them before they say yes: one line a thing, and under it what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from gateway.grafana.model import PART_ZH, Action, Part, Step

_MARKS = {
    Action.CREATE: ("+", "green"),
    Action.CHANGE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.LEAVE: ("!", "cyan"),
}
_WORDS = {
    Action.CREATE: ("新建", "to create"),
    Action.CHANGE: ("更改", "to change"),
    Action.DELETE: ("删除", "to delete"),
    Action.KEEP: ("无变化", "as they should be"),
    Action.LEAVE: ("未动", "left alone"),
}


def show(steps: Sequence[Step], console: Console) -> None:
    """Print what is to be done, part by part; what is as it should be is only counted."""
    for part in Part:
        own = [step for step in steps if step.part is part]
        if not own:
            continue
        kept = sum(step.action is Action.KEEP for step in own)
        more = f"  [dim]{kept} {_WORDS[Action.KEEP][0]} {_WORDS[Action.KEEP][1]}[/]" if kept else ""
        console.print(f"[bold]{PART_ZH[part]} {part}[/]{more}", soft_wrap=True)
        for step in own:
            if step.action is Action.KEEP:
                continue
            mark, colour = _MARKS[step.action]
            name = " ".join(word for word in (step.key, step.title if step.title != step.key else "") if word)
            console.print(f"  [{colour}]{mark}[/] {escape(name or str(part))}", soft_wrap=True)
            for line in step.details:
                console.print(f"      [dim]{escape(line)}[/]", soft_wrap=True)


def summary(steps: Sequence[Step]) -> str:
    """``新建 3 to create · 无变化 20 as they should be``."""
    counts = Counter(step.action for step in steps)
    return " · ".join(f"{_WORDS[one][0]} {counts[one]} {_WORDS[one][1]}" for one in Action if counts[one])
