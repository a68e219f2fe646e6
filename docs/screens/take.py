"""Takes the screenshots of the documents from a running demo: ``python -m docs.screens.take`` (``make screens``).

First an ordinary moment, then the story of a heart attack, as a person at the console sees them.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from devices.observation import Lane, Observation
from gateway.clock import SystemClock
from gateway.registry import candidates
from gateway.registry.candidates import CandidateNote
from gateway.state.db import open_database
from gateway.store.embedded import EmbeddedStore
from gateway.transports.broker_ports import free_port

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--no-proxy-server"),
]
DESK, PHONE = (1366, 768), (390, 844)
LARGEST_BYTES = 300_000


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        take_all(browser, Path(directory))
        browser.close()


def take_all(browser: Browser, data_dir: Path) -> None:
    with demo(data_dir) as (url, link), console(browser, link, DESK) as page:
        expect(page.locator("#side .badge.good", has_text="在线")).to_be_visible(timeout=60_000)
        expect(page.locator(".headline.calm")).to_be_visible()
        take(page, "console-calm")
        page.goto(f"{url}/devices")
        take(page, "devices")
        page.goto(f"{url}/vitals")
        take(page, "vitals")
        batteries(page, url, data_dir)
        rules(browser, page, url, link)
        adoption(browser, url, link, data_dir)
    with (
        demo(data_dir, "--scenario", "heart-attack") as (url, link),
        console(browser, link, DESK) as page,
        console(browser, link, PHONE) as phone,
    ):
        expect(page.locator(".card.burning", has_text="紧急呼救")).to_be_visible(timeout=60_000)
        expect(page.locator(".gate.armed").first).to_be_visible()
        page.wait_for_timeout(3000)  # until readings and the family's turn are on the card
        take(page, "console-emergency")
        take(phone, "phone-emergency")
        case = page.locator(".card.burning h2 a").first.get_attribute("href")
        device = re.search(r"vitals-\d+", page.request.get(f"{url}{case}").text())
        page.goto(f"{url}{case}")
        expect(page.locator(".timeline")).to_contain_text("到场", timeout=120_000)
        take(page, "case")
        page.locator(".panel.call").scroll_into_view_if_needed()
        take(page, "case-card")
        if device is not None:
            page.goto(f"{url}/devices/{device[0]}?hours=1")
            take(page, "monitor")


def batteries(page: Page, url: str, data_dir: Path) -> None:
    """Batteries after two months, which a demo of a minute cannot have measured: they lead to what it measures now."""
    found = [one for one in page.request.get(f"{url}/api/v1/devices?limit=1000").json() if one["state"]["battery"]]
    falls = (0.3, 0.5, 0.2, 0.8, 0.0, 0.15)
    shown = [
        (one["id"], one["kind"], one["state"]["battery"], fall) for one, fall in zip(found[:6], falls, strict=True)
    ]
    with ThreadPoolExecutor(1) as beside:  # the browser's driver has a loop of its own in this thread
        beside.submit(asyncio.run, months(data_dir, shown)).result()
    page.goto(f"{url}/devices/batteries")
    expect(page.locator("#working")).to_have_count(0, timeout=60_000)
    take(page, "batteries")


async def months(data_dir: Path, shown: Sequence[tuple[str, str, float, float]]) -> None:
    now_ms, chance = SystemClock().now_ms(), random.Random(3)
    store = EmbeddedStore(data_dir / "telemetry.db", SystemClock())
    for device, kind, level, fall in shown:
        said = [
            Observation(
                message_id=f"{device}:months:{day}",
                device=device,
                kind=kind,
                lane=Lane.ROUTINE,
                observed_at_ms=(at_ms := now_ms - day * 86_400_000),
                received_at_ms=at_ms,
                metrics={"battery": min(100.0, level + day * fall + chance.gauss(0, 0.5)), "rssi": -62.0},
            )
            for day in range(1, 60)
        ]
        await store.write(said)
    await store.close()


def rules(browser: Browser, page: Page, url: str, link: str) -> None:
    """The list with a rule that is tried out, and a rule whose text has a fault: as on a phone."""
    page.request.post(f"{url}/api/v1/rules/bin-full/shadow", headers={"Origin": url})
    page.goto(f"{url}/rules")
    take(page, "rules")
    page.goto(f"{url}/rules/bin-full")
    take(page, "rule")
    with console(browser, link, PHONE) as phone:
        phone.goto(f"{url}/rules/bin-full")
        text = phone.locator("#text")
        text.fill(text.input_value().replace("fill >= 85", "fil >= 70"))
        phone.get_by_role("button", name="检查").click()
        expect(phone.locator("#checked .fault")).to_be_visible()
        phone.locator("#checked").scroll_into_view_if_needed()
        take(phone, "phone-rule")
    page.request.post(f"{url}/api/v1/rules/bin-full/live", headers={"Origin": url})


def adoption(browser: Browser, url: str, link: str, data_dir: Path) -> None:
    """Strangers, the form of one, and a walk test: as a technician has them in the hand."""
    now_ms = SystemClock().now_ms()
    engine = open_database(f"sqlite:///{data_dir / 'state.db'}")
    with engine.begin() as connection:
        candidates.note(
            connection,
            [
                CandidateNote(bridge="native", profile="native", address=address, kind=kind, heard=True, at_ms=now_ms)
                for address, kind in (
                    ("AJ-S-7F3A21", "sos_button"),
                    ("AJ-D-2209C4", "smoke"),
                    ("AJ-C-11B0E8", "contact"),
                )
            ],
            now_ms,
        )
    engine.dispose()
    with console(browser, link, PHONE) as phone:
        phone.goto(f"{url}/devices/adopt")
        take(phone, "phone-strangers")
        phone.locator(".stranger", has_text="AJ-D-2209C4").click()
        phone.locator("#place-search").press_sequentially("501")
        phone.locator("#places .option").first.click()
        expect(phone.locator("#resident-box .option").first).to_be_visible()
        take(phone, "phone-adopt")
        phone.goto(f"{url}/devices/sos-0004")
        phone.locator("summary", has_text="测试").click()
        phone.locator("details[open] [name=reason]").fill("年检")
        phone.get_by_role("button", name="开始测试").click()
        expect(phone.locator(".care.test")).to_be_visible()
        take(phone, "phone-test")
        phone.get_by_role("button", name="结束").click()
        expect(phone.locator(".care")).to_have_count(0)


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(400)
    file = HERE / f"{name}.png"
    page.screenshot(path=file, animations="disabled")
    size = file.stat().st_size
    if size > LARGEST_BYTES:
        raise SystemExit(f"{file} has {size} bytes, more than {LARGEST_BYTES}")
    sys.stdout.write(f"{file.name} {size // 1000} kB\n")


@contextmanager
def console(browser: Browser, link: str, size: tuple[int, int]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.goto(link)
    page.wait_for_selector("#board")
    yield page
    context.close()


@contextmanager
def demo(data_dir: Path, *args: str) -> Iterator[tuple[str, str]]:
    """``anju demo`` on a free port: its address, and the link that logs in."""
    port = free_port("127.0.0.1")
    said = data_dir.parent / f"{data_dir.name}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo", "--data-dir", str(data_dir), "--port", str(port), *args],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "300"},
        )
    try:
        deadline = time.monotonic() + 120
        while (link := re.search(r"http://\S+/#token=[\w-]+", said.read_text(errors="replace"))) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the demo did not start:\n{said.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", link[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        said.unlink()


if __name__ == "__main__":
    main()
