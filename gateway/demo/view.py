"""What the demo shows in the terminal: open cases with the next step counting down, what happens, who was told."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.cases.wording import LINE_STATES, STAGES
from gateway.clock import SystemClock

POLL_S = 0.5
DEVICES_S = 5.0
"""How often the devices are counted: a long list, that changes slowly."""
_DECIDED = re.compile(r"^anju_decided_total\{.*\} (\S+)$", re.MULTILINE)
WIDE = 110
"""From this width on every column is shown and long lines wrap; below it, what matters most, and one line each."""
EVENTS_AT_LEAST = 5
CASES_AT_MOST = 8

_COLOURS = {
    "opened": "bold red",
    "alarm_repeated": "bold red",
    "told": "yellow",
    "rung": "magenta",
    "line_committed": "bold white on red",
    "line_answered": "bold green",
    "line_failed": "bold white on red",
    "acknowledged": "bold cyan",
    "arrived": "bold green",
    "closed": "green",
    "cancelled": "green",
}


@dataclass
class Scene:
    """What the view knows."""

    cases: list[dict[str, Any]] = field(default_factory=list)
    health: list[dict[str, Any]] = field(default_factory=list)
    devices: tuple[int, int] = (0, 0)
    decided: int = 0
    """Observations decided since the gateway started."""
    lines: deque[Text] = field(default_factory=lambda: deque(maxlen=500))
    seen: dict[str, int] = field(default_factory=dict)
    trouble: str = ""


def _gathered(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Everybody who was told the same thing one after the other stands on one line."""
    found: list[dict[str, Any]] = []
    for line in lines:
        if line["what"] != "told":
            found.append(line)
            continue
        last = found[-1] if found else None
        if last is None or last["what"] != "told" or last["data"]["purpose"] != line["data"]["purpose"]:
            last = {**line, "reason": "", "data": {**line["data"], "people_told": []}}
            found.append(last)
        if line["data"]["person"] not in last["data"]["people_told"]:
            last["data"]["people_told"].append(line["data"]["person"])
    return found


class View:
    """Reads the gateway's API and shows it. A visitor like any other: nothing comes in by a back door."""

    def __init__(self, url: str, token: str, console: Console, headline: str, zone: ZoneInfo) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=5.0, trust_env=False
        )
        self._console = console
        self._headline = headline
        self._zone = zone
        self.scene = Scene()
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._first = True
        self._count_at = 0.0

    def stop(self) -> None:
        """End `run`; from any thread or a signal handler."""
        self._stop.set()

    def run(self, check: Callable[[], None]) -> None:
        """Show until `stop`, or until ``check`` raises. On something that is no terminal: one line per event."""
        if not self._console.is_terminal:
            trouble = ""
            while not self._stop.wait(POLL_S):
                check()
                for line in self._look():
                    self._console.print(line, soft_wrap=True)
                if self.scene.trouble != trouble:
                    trouble = self.scene.trouble
                    self._console.print(trouble or "API: 恢复 is back", markup=False, soft_wrap=True)
            return
        with Live(self.render(), console=self._console, screen=False, refresh_per_second=8) as live:
            next_look = 0.0
            while not self._stop.wait(0.12):
                check()
                if time.monotonic() >= next_look:
                    self._look()
                    next_look = time.monotonic() + POLL_S
                live.update(self.render())

    def _look(self) -> list[Text]:
        """Ask the API for what is new; returns the new lines."""
        scene = self.scene
        new: list[Text] = []
        try:
            was_open = {one["case"]["id"] for one in scene.cases}
            scene.cases = self._get("/api/v1/cases?open=true&limit=200")
            found = {one["case"]["id"]: one for one in (*self._get("/api/v1/cases?limit=30"), *scene.cases)}
            for gone in was_open - found.keys():
                found[gone] = self._get(f"/api/v1/cases/{gone}")
            for case_id in sorted(found):
                new += self._news(found[case_id])
            self._first = False
            scene.health = self._get("/api/v1/health")
            if time.monotonic() >= self._count_at:
                devices = self._get("/api/v1/devices?limit=20000")
                scene.devices = (sum(1 for d in devices if d["state"] and d["state"]["online"]), len(devices))
                self._count_at = time.monotonic() + DEVICES_S
            metrics = self._http.get("/metrics").text
            scene.decided = sum(int(float(count)) for count in _DECIDED.findall(metrics))
            scene.trouble = ""
        except httpx.HTTPError as error:
            scene.trouble = f"API: {type(error).__name__}: {error}"
        scene.lines.extend(new)
        return new

    def _get(self, path: str) -> Any:
        answer = self._http.get(path)
        answer.raise_for_status()
        return answer.json()

    def _news(self, summary: dict[str, Any]) -> list[Text]:
        case = summary["case"]
        if self.scene.seen.get(case["id"], 0) == case["version"]:
            return []
        if self._first and case["stage"] in ("closed", "cancelled"):
            self.scene.seen[case["id"]] = case["version"]  # of an earlier demo: over before this one began
            return []
        detail = self._get(f"/api/v1/cases/{case['id']}")
        known = self.scene.seen.get(f"{case['id']}/lines", 0)
        lines = [line for line in detail["timeline"] if line["seq"] > known]
        self.scene.seen[case["id"]] = detail["case"]["version"]
        if lines:
            self.scene.seen[f"{case['id']}/lines"] = lines[-1]["seq"]
        return [self._line(summary, line) for line in _gathered(lines)]

    def _line(self, summary: dict[str, Any], line: dict[str, Any]) -> Text:
        at = datetime.fromtimestamp(line["at_ms"] / 1000, self._zone).strftime("%H:%M:%S")
        data = line["data"]
        names = {target["person"]: target["name"] for target in summary["case"]["told"]}
        about = ", ".join(
            names.get(data[key], str(data[key]))
            for key in ("person", "channel", "number", "rung", "to", "who")
            if data.get(key)
        )
        if "people_told" in data:
            about = "、".join(dict.fromkeys(names.get(person, person) for person in data["people_told"]))
        text = Text(f"{at} ", style="dim")
        text.append(f"{summary['case']['number']} ", style="dim")
        text.append(f"{line['zh']} {line['en']}", style=_COLOURS.get(line["what"], ""))
        for part in (summary["resident_name"] if line["what"] == "opened" else "", about, line["reason"]):
            if part:
                text.append(f" · {part}")
        return text

    def render(self) -> RenderableType:
        """As high as the terminal: what does not fit are the oldest lines, never the newest or the footer."""
        headline, footer = Text.from_markup(self._headline), self._footer()
        room = self._console.size.height - 1 - self._height(headline) - self._height(footer)
        shown = min(CASES_AT_MOST, len(self.scene.cases))
        cases = self._cases(shown)
        while shown > 1 and room - self._height(cases) - 2 < EVENTS_AT_LEAST:
            shown -= 1
            cases = self._cases(shown)
        events = Panel(self._events(max(1, room - self._height(cases) - 2)), title="经过 What happens")
        return Group(headline, cases, events, footer)

    @property
    def _wide(self) -> bool:
        return self._console.size.width >= WIDE

    def _height(self, what: RenderableType) -> int:
        return len(self._console.render_lines(what, pad=False))

    def _events(self, height: int) -> RenderableType:
        """The newest lines that fit."""
        width = self._console.size.width - 4  # the panel's border and padding
        found: list[Text] = []
        for line in reversed(self.scene.lines):
            if self._wide:
                rows = list(line.wrap(self._console, width))
            else:
                cut = line.copy()
                cut.truncate(width, overflow="ellipsis")
                rows = [cut]
            if len(found) + len(rows) > height:
                break
            found[:0] = rows
        return Group(*found) if found else Text("…")

    def _cases(self, shown: int) -> Panel:
        count = len(self.scene.cases)
        if not count:
            return Panel(Text("一切平安 All is well", style="green"), title="未结案卷 Open cases", border_style="green")
        table = Table(expand=True, box=None, pad_edge=False)
        table.add_column("案卷 Case", no_wrap=True, min_width=11)
        names = ("事由 What", "谁 Who", "地点 Where", "阶段 Stage", "受理 Owner", "下一步 Next")
        for name in names if self._wide else (names[0], names[1], names[3], names[5]):
            table.add_column(name, overflow="fold")
        for summary in self.scene.cases[:shown]:
            case = summary["case"]
            stage = STAGES[case["stage"]]
            cells: list[str | Text] = [
                f"{case['number']}\n{self._age(case['times']['raised'])}",
                f"{summary['type_zh']}\n{summary['type_en']}",
                summary["resident_name"],
            ]
            if self._wide:
                cells.append(summary["place_zh"])
            cells.append(f"{stage.zh}\n{stage.en}")
            if self._wide:
                cells.append((case["owner"] or "—").removeprefix("operator:"))
            table.add_row(*cells, self._next(case))
        of = f"，显示 {shown} shown" if shown < count else ""
        return Panel(table, title=f"未结案卷 Open cases（{count}{of}）", border_style="red")

    def _next(self, case: dict[str, Any]) -> Text:
        line = case["emergency"]
        number = line.get("number") or "120"
        if line["state"] in ("committed", "dialling", "answered", "failed"):
            state = LINE_STATES[line["state"]]
            return Text(f"{number} {state.zh}（演练）\n{state.en} (drill)", style="bold red")
        if case["next_at_ms"] is None:
            return Text("—")
        rungs = case["ladder"]["rungs"]
        rung = rungs[case["rung"]] if case["rung"] < len(rungs) else None
        due = Text(f"{number} {self._left(line['deadline_ms'])}", style="bold red") if line["deadline_ms"] else None
        if due is not None and rung is not None and rung["call"] is not None:
            return due  # the next step is the line itself
        text = Text(f"{rung['id'] if rung else '提醒 reminder'} {self._left(case['next_at_ms'])}")
        return text if due is None else Text("\n").join((text, due))

    def _left(self, at_ms: int) -> str:
        return f"{max(0, (at_ms - self._clock.now_ms()) / 1000):.0f} s"

    def _age(self, at_ms: int) -> str:
        return f"{max(0, (self._clock.now_ms() - at_ms) / 1000):.0f} s"

    def _footer(self) -> Text:
        online, known = self.scene.devices
        text = Text(f"设备 devices {online}/{known}  消息 messages {self.scene.decided:,}  ")
        told = [part for part in self.scene.health if self._wide or part["state"] != "ok"]
        for part in told:
            style = {"ok": "green", "degraded": "yellow", "failed": "bold red"}[part["state"]]
            text.append(f"● {part['name']} ", style=style)
        if self.scene.health and not told:
            text.append("● 正常 all parts well", style="green")
        if self.scene.trouble:
            text.append(self.scene.trouble, style="red")
        text.append("  Ctrl-C 结束 ends", style="dim")
        return text
