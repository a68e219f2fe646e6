"""A gateway's data directory with two residents, one device that changed hands, and telemetry of both."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import sqlalchemy as sa
from click.testing import Result
from typer.testing import CliRunner

from devices.observation import Observation, Waveform
from devices.telemetry import Stamps
from gateway.cli import app
from gateway.clock import Clock
from gateway.registry.load import load_community
from gateway.registry.store import apply
from gateway.state.db import open_database
from gateway.store.embedded import EmbeddedStore
from gateway.store.protocol import Point, Store
from tests.support.registry import MORE, small
from tests.support.stores import START_MS, observe

HANDED_MS = START_MS + 1_830_000
"""When the monitor went from Li to Wang: in the middle of a minute and of an hour."""
LI_MARK, WANG_MARK = 71.28125, 88.40625
"""A pulse that only one of them had."""
RESIDENTS = "  - {id: wang, name: 王强, home: b3-501, sex: male, birth_year: 1950}\ndevices:\n"
DEVICES = """\
  - {id: bed-3, kind: vitals_monitor, place: b3-501, resident: li}
  - {id: bed-9, kind: vitals_monitor, place: b3-501, resident: wang}
  - {id: door, kind: contact, place: b3}
"""
STRIP = Waveform(name="ecg", lead="II", rate_hz=250, unit="mV", samples=(0.5, -0.25, LI_MARK, 1))


class HasUrl(Protocol):
    """A telemetry server."""

    @property
    def url(self) -> str: ...


@dataclass
class Desk:
    """The command line of one gateway."""

    data_dir: Path
    engine: sa.Engine
    server: HasUrl | None
    token: str = ""

    def run(self, *args: str, code: int | None = 0) -> Result:
        """`anju store …`; fails where it does not end with ``code``."""
        env = {"COLUMNS": "250"}
        if self.server is not None:
            env |= {"ANJU_STORE__KIND": "influxdb", "ANJU_STORE__URL": self.server.url, "INFLUX_TOKEN": self.token}
            env |= {} if self.token else {"ANJU_STORE__TOKEN_SECRET": ""}
        command = ["store", *args, "--data-dir", str(self.data_dir)]
        with ThreadPoolExecutor(1) as thread:  # commands have an event loop of their own
            result = thread.submit(CliRunner().invoke, app, command, env=env).result()
        assert code in (None, result.exit_code), (result.output, result.stderr, result.exception)
        return result

    @property
    def file(self) -> Path:
        return self.data_dir / "telemetry.db"


def desk(tmp_path: Path, server: HasUrl | None = None) -> Desk:
    """A gateway whose monitor ``bed-3`` served Li, and from `HANDED_MS` on Wang."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "state.db").write_bytes(_state())
    return Desk(data_dir, open_database(f"sqlite:///{data_dir / 'state.db'}"), server)


@cache
def _state() -> bytes:
    """Its state database, made once."""
    with TemporaryDirectory() as made:
        file = Path(made) / "state.db"
        engine = open_database(f"sqlite:///{file}")
        community = small(Path(made) / "community")
        first = MORE.replace("devices:\n", RESIDENTS) + DEVICES
        handed = ("b3-501, resident: li}\n  - {id: bed-9", "b3-501, resident: wang}\n  - {id: bed-9")
        for more, at_ms in ((first, START_MS - 1000), (first.replace(*handed), HANDED_MS)):
            (community.parent / "more.yaml").write_text(more, encoding="utf-8")
            apply(engine, load_community(community), "op", at_ms)
        engine.dispose()  # whoever closes last puts all into the file
        return file.read_bytes()


def where(at_ms: int) -> dict[str, Stamps]:
    """The stamps of the devices at an instant."""
    served = "li" if at_ms < HANDED_MS else "wang"
    return {
        "bed-3": Stamps("demo", "grid", "b3", "b3-501", served),
        "bed-9": Stamps("demo", "grid", "b3", "b3-501", "wang"),
        "sos-1": Stamps("demo", "grid", "b3", "b3-501", "li"),
        "door": Stamps("demo", "grid", "b3", "b3", ""),
    }


def of_li() -> list[Observation]:
    readings = [observe(START_MS + i * 10_000, {"pulse": 60.0 + i % 7, "spo2": 97.0}) for i in range(180)]
    return [
        *readings,
        observe(START_MS + 5_000, {"pulse": LI_MARK}, event="measurement", waveform=STRIP),
        observe(HANDED_MS - 1, {"pulse": LI_MARK}),
        observe(START_MS + 60_000, {"battery": 81.0}, event="press", device="sos-1", kind="sos_button"),
    ]


def of_others() -> list[Observation]:
    return [
        observe(HANDED_MS, {"pulse": WANG_MARK}),
        *[observe(HANDED_MS + 1000 + i * 10_000, {"pulse": 80.0 + i % 5}) for i in range(60)],
        *[observe(START_MS + i * 30_000, {"pulse": WANG_MARK}, device="bed-9") for i in range(60)],
        observe(START_MS + 3_000, {"battery": 50.0}, event="open", device="door", kind="contact"),
    ]


def points() -> list[Point]:
    around = {"community": "demo", "grid": "grid", "building": "b3"}
    return [
        *[
            Point(
                measurement="score",
                tags=around | {"resident": resident, "score": "news2"},
                fields={"total": 3.0, "worst": '血氧 "SpO2", low\nand falling'},
                at_ns=START_MS * 1_000_000 + 7,
            )
            for resident in ("li", "wang")
        ],
        Point(measurement="lane", tags={"lane": "urgent"}, fields={"backlog": 0.0}, at_ns=START_MS * 1_000_000),
    ]


async def fill(store: Store) -> None:
    """Everything, as the store writer and the chronicle would have written it."""
    assert await store.write(of_li(), where(START_MS).__getitem__) == []
    assert await store.write(of_others(), where(HANDED_MS).__getitem__) == []
    assert await store.write_points(points()) == []


def embedded(desk: Desk, clock: Clock) -> EmbeddedStore:
    return EmbeddedStore(desk.file, clock)


async def answers(store: Store, devices: Sequence[str] = ("bed-3", "bed-9", "sos-1", "door")) -> dict[str, object]:
    """Everything that the store says of some devices."""
    end_ms = START_MS + 86_400_000
    said: dict[str, object] = {}
    for device in devices:
        said[f"latest {device}"] = await store.latest(device)
        said[f"events {device}"] = await store.events(device, START_MS, end_ms)
        said[f"waveforms {device}"] = await store.waveforms(device, START_MS, end_ms)
        for metric in ("pulse", "spo2", "battery"):
            said[f"{metric} {device}"] = await store.readings(device, metric, START_MS, end_ms, 10_000)
            said[f"minutes of {metric} {device}"] = await store.buckets(device, metric, START_MS, end_ms, 60)
            said[f"hours of {metric} {device}"] = await store.buckets(device, metric, START_MS, end_ms, 3600)
    return said
