"""Takes the screenshots of the documents from a running demo: ``python -m docs.screens.take`` (``make screens``).

First an ordinary moment, then the story of a heart attack, as a person at the console sees them.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

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
        data_dir = Path(directory)
        with demo(data_dir) as (url, link), console(browser, link, DESK) as page:
            expect(page.locator("#side .badge.good", has_text="在线")).to_be_visible(timeout=60_000)
            expect(page.locator(".headline.calm")).to_be_visible()
            take(page, "console-calm")
            page.goto(f"{url}/devices")
            take(page, "devices")
            page.goto(f"{url}/vitals")
            take(page, "vitals")
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
        browser.close()


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
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
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
