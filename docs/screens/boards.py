"""Draws the dashboards of the control room: ``python -m docs.screens.boards [uid …]`` (``make screens``).

The committed JSON, its queries asked of a real InfluxDB that holds a simulated week, drawn by Grafana's own components
(`docs/screens/grafana`) in Chromium.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from docs.screens.take import ARGUMENTS, CHROMIUM, HERE, LARGEST_BYTES
from gateway.store.influx import InfluxStore
from tests.support.control_week import END_MS, control_week, write_into
from tests.support.stores import Influxd

PANELS = HERE / "grafana"
JSON = HERE.parents[1] / "dashboards" / "json"
WIDTH, WIDTH_OF_WALL, HEIGHT_OF_WALL = 1600, 1920, 1080
ZONE = "Asia/Shanghai"
DRAWN_WITHIN_MS = 60_000

Frame = dict[str, Any]


def main() -> None:
    """Draw the boards that are named, or all; npm brings Grafana's components the first time."""
    wanted = set(sys.argv[1:])
    installed, lock = PANELS / "node_modules" / ".package-lock.json", PANELS / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=PANELS, check=True)
    subprocess.run(["npm", "run", "--silent", "build"], cwd=PANELS, check=True)
    with tempfile.TemporaryDirectory() as directory:
        server = Influxd(Path(directory) / "influx")
        server.start()
        try:
            fill(server)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                for path in sorted(JSON.glob("zh*/*.json")):
                    if not wanted or path.stem in wanted:
                        draw(browser, server, path, END_MS, Path(directory))
                browser.close()
        finally:
            server.stop()


def fill(server: Influxd) -> None:
    """The simulated week, written as a gateway writes."""

    server.create()

    async def write() -> None:
        store = InfluxStore(server.settings, "")
        try:
            await write_into(store, control_week())
        finally:
            await store.close()

    asyncio.run(write())


def draw(browser: Browser, server: Influxd, path: Path, end_ms: int, directory: Path) -> None:
    """One board into ``docs/screens/board-….png``."""
    dashboard = json.loads(path.read_text())
    start_ms = end_ms - _span_ms(dashboard["time"]["from"].removeprefix("now-"))
    width = WIDTH_OF_WALL if path.stem == "anju-wall" else WIDTH
    chosen = choices(dashboard, server)
    frames = {
        panel["id"]: [
            frame
            for target in panel.get("targets", [])
            for frame in asked(server, target, start_ms, end_ms, panel["gridPos"]["w"] * width // 24, chosen)
        ]
        for panel in dashboard["panels"]
    }
    board = {"dashboard": dashboard, "frames": frames, "from": start_ms, "to": end_ms, "width": width, "chosen": ""}
    data = json.dumps(board).replace("</", "<\\/")
    html = directory / f"{path.stem}.html"
    html.write_text(
        '<!doctype html><meta charset="utf-8"><body style="margin:0;background:#111217"><div id="root"></div>'
        f"<script>window.BOARD = {data}</script>"
        f'<link rel="stylesheet" href="{(PANELS / "build" / "panels.css").as_uri()}">'
        f'<script src="{(PANELS / "build" / "panels.js").as_uri()}"></script></body>'
    )
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    # All of it in sight: tables do not draw what nobody sees.
    height = HEIGHT_OF_WALL if path.stem == "anju-wall" else 60 + bottom * 38
    page = browser.new_page(viewport={"width": width, "height": height})
    page.clock.set_fixed_time(end_ms / 1000)
    page.goto(html.as_uri())
    page.wait_for_function("document.title !== ''", timeout=DRAWN_WITHIN_MS)
    if page.title() != "drawn":
        raise RuntimeError(f"{path.stem}: {page.title()}")
    page.wait_for_timeout(700)  # canvases are drawn in the frame after
    picture = HERE / f"board-{path.stem.removeprefix('anju-')}.png"
    page.screenshot(path=picture)
    page.close()
    with Image.open(picture) as drawn:
        drawn.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(picture, optimize=True)
    size = picture.stat().st_size
    if size > LARGEST_BYTES:
        raise SystemExit(f"{picture} has {size} bytes, more than {LARGEST_BYTES}")
    sys.stdout.write(f"{picture.name} {size // 1000} kB\n")
    sys.stdout.flush()


def choices(dashboard: Mapping[str, Any], server: Influxd) -> dict[str, str]:
    """What is chosen in each variable: all, or the first where one must be chosen."""
    found: dict[str, str] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "constant":
            found[variable["name"]] = variable["query"]
        elif variable.get("includeAll"):
            found[variable["name"]] = ".*"
        else:
            query = variable["query"] if isinstance(variable["query"], str) else variable["query"]["query"]
            answer = server.query(_expanded(query, 0, 2**41, "1m", found))
            values = [row[1] for series in answer for row in series["values"]]
            found[variable["name"]] = re.escape(_value(variable.get("regex", ""), sorted(values)[0]))
    return found


def _value(regex: str, label: str) -> str:
    known = re.search(regex.strip("/").replace("(?<", "(?P<"), label) if regex else None
    return known["value"] if known is not None and "value" in known.groupdict() else label


def asked(
    server: Influxd, target: Mapping[str, Any], start_ms: int, end_ms: int, pixels: int, chosen: Mapping[str, str]
) -> Iterator[Frame]:
    """The frames that Grafana's InfluxDB data source makes of a target's answer."""
    every_ms = max(60_000, (end_ms - start_ms) // max(1, pixels // 2) // 60_000 * 60_000)
    text = _expanded(target["query"], start_ms, end_ms, f"{every_ms}ms", chosen)
    answer = server.query(text)
    if target["resultFormat"] == "table":
        if answer:
            yield _table(target["refId"], answer)
        return
    for series in answer:
        tags = series.get("tags", {})
        for number, column in enumerate(series["columns"][1:], start=1):
            values = [row[number] for row in series["values"]]
            name = _alias(target.get("alias", ""), series["name"], column, tags)
            yield {
                "refId": target["refId"],
                "name": name,
                "fields": [
                    {"name": "Time", "type": "time", "values": [row[0] for row in series["values"]]},
                    {
                        "name": "Value",
                        "type": _type(values),
                        "labels": tags,
                        "values": values,
                        "config": {"displayNameFromDS": name},
                    },
                ],
            }


def _table(ref_id: str, answer: list[dict[str, Any]]) -> Frame:
    tags = sorted(answer[0].get("tags", {}))
    names = ["Time", *tags, *answer[0]["columns"][1:]]
    rows = [
        [row[0], *(series.get("tags", {}).get(tag, "") for tag in tags), *row[1:]]
        for series in answer
        for row in series["values"]
    ]
    columns = list(zip(*rows, strict=True))
    fields = [
        {"name": name, "type": "time" if name == "Time" else _type(values), "values": list(values)}
        for name, values in zip(names, columns, strict=True)
    ]
    return {"refId": ref_id, "name": answer[0]["name"], "fields": fields}


def _type(values: Any) -> str:
    known = next((value for value in values if value is not None), 0.0)
    return "string" if isinstance(known, str) else "number"


def _alias(alias: str, measurement: str, column: str, tags: Mapping[str, str]) -> str:
    if not alias:
        return f"{measurement}.{column}"
    text = alias.replace("[[col]]", column).replace("[[m]]", measurement)
    return re.sub(r"\[\[tag_(\w+)\]\]", lambda found: tags.get(found[1], ""), text)


def _expanded(query: str, start_ms: int, end_ms: int, every: str, chosen: Mapping[str, str]) -> str:
    """The text with Grafana's macros written out, and the end of the range as now."""
    text = query.replace("$timeFilter", f"time >= {start_ms}ms AND time <= {end_ms}ms").replace("$__interval", every)
    text = re.sub(r"now\(\) - (\w+)", lambda found: f"{end_ms - _span_ms(found[1])}ms", text)
    return re.sub(r"\$\{(\w+):\w+\}", lambda found: ZONE if found[1] == "anju_zone" else chosen[found[1]], text)


def _span_ms(text: str) -> int:
    unit = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}[text[-1]]
    return int(text[:-1]) * unit


if __name__ == "__main__":
    main()
