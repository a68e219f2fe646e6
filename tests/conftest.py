"""What the tests need of the machine. A missing server is said loudly; in CI nothing may be left out."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import typer.testing
from hypothesis import HealthCheck, settings

from tests.support.migrated import migrate_once

# A width that pytest's workers inherit would be that of every console for ever; tests say how wide theirs is.
os.environ.pop("COLUMNS", None)

# Compiled once: else every worker compiles all tests, and every gateway that a test starts all of Anju.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Built once: a runner builds all commands anew for each one that is typed, and that takes longer than most of them.
typer.testing._get_command = functools.cache(typer.main.get_command)  # type: ignore[attr-defined]  # not exported

IN_CI = os.environ.get("CI") == "true"

# No example is timed: it is slow when something else has the processor. CI takes the same examples every time.
settings.register_profile(
    "anju",
    settings.get_profile("ci" if IN_CI else "default"),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("anju")

NEEDS: dict[str, tuple[str, ...]] = {
    "mosquitto": (
        "test_commands",
        "test_demo",
        "test_mqtt_",
        "test_managed_broker",
        "test_broker_",
        "test_sim_mqtt",
        "tests/e2e/",
        "test_bench",
        "integration/test_stack_",
    ),
    "mosquitto_sub": ("test_stack_broker",),
    "systemd-analyze": ("test_stack_systemd",),
    "influxd": (
        "integration/test_chronicle",
        "e2e/test_wall",
        "test_boards_of_life",
        "test_store_protocol",
        "test_store_transfer",
        "test_store_erasing",
        "test_store_influx",
        "test_store_writer",
    ),
    "victoria-metrics": ("test_store_erasing", "test_store_influx", "test_store_writer", "integration/test_chronicle"),
    "baresip": ("test_sip_trunk", "test_call_for_help"),
    "sipp": ("test_sip_trunk",),
    "espeak-ng": (
        "test_modem_calls",
        "test_call_for_help",
        "test_sip_trunk",
        "test_speech",
    ),
    "chromium": ("test_console_browser", "test_devices_browser", "test_record_browser"),
}
"""Which program which tests run against, by a part of their path."""

FIRST = ("tests/e2e/", "test_gear_lines", "test_gear_modbus", "test_gear_contec", "tests/integration/")
"""By a part of their path, in which order files are handed to the workers; the rest follows."""


@pytest.fixture(scope="session", autouse=True)
def _migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Seven migrations of an empty file take longer than most tests that need one."""
    with pytest.MonkeyPatch.context() as patch:
        migrate_once(tmp_path_factory.mktemp("migrated"), patch)
        yield


def _missing() -> dict[str, tuple[str, ...]]:
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    return {program: parts for program, parts in NEEDS.items() if shutil.which(program, path=path) is None}


def _turn(item: pytest.Item) -> int:
    """What takes long begins first: else one worker of several sits at the end with a story that lasts minutes."""
    where = Path(item.path).as_posix()
    return next((turn for turn, part in enumerate(FIRST) if part in where), len(FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what cannot run, with its reason; in CI that is an error."""
    items.sort(key=_turn)
    missing = _missing()
    if missing and IN_CI:
        pytest.exit(f"missing in CI: {', '.join(missing)}; deploy/setup.sh test installs them", returncode=3)
    for item in items:
        where = Path(item.path).as_posix()
        for program, parts in missing.items():
            if any(part in where for part in parts):
                item.add_marker(pytest.mark.skip(reason=f"needs {program}: apt-get install {program}"))


def pytest_collection_finish() -> None:
    """Ten thousand tests and all that they import stay until the end: nobody need look for garbage among them."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skip in CI is a hole in the evidence."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
