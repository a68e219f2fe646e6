"""A whole gateway as a real process, for end-to-end tests::

    with OutsideWorld() as world, RunningGateway(tmp_path, world) as gateway, gateway.radio() as radio:
        radio.say("sos-1", "press")
        case = gateway.wait_for_case("sos-1")

It is prepared as a person would: a community is applied, a token is made, ``python -m gateway serve`` is started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from gateway.api.auth import create_token
from gateway.clock import SystemClock
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.settings import Secrets
from gateway.state.db import open_database
from gateway.transports.broker_config import DEVICES_USER, ensure_broker_users
from tests.support.broker import Mosquitto
from tests.support.eventually import PATIENCE, eventually
from tests.support.homes import community as small_community
from tests.support.homes import write_community
from tests.support.outside import FieldBus, OutsideWorld
from tests.support.ports import free_port
from tests.support.radio import Radio

ROOT = Path(__file__).parents[2]
OPERATOR = "night-desk"


class RunningGateway:
    """One gateway on free loopback ports with a data directory of its own.

    ``broker``: an own Mosquitto that does not end with the gateway; else the gateway manages one. ``settings`` are
    further ``ANJU_…`` variables. ``database``: one that other gateways work on as well, each with an ``operator`` of
    its own name.
    """

    def __init__(
        self,
        directory: Path,
        world: OutsideWorld,
        *,
        community: dict[str, Any] | None = None,
        broker: Mosquitto | None = None,
        bus: FieldBus | None = None,
        settings: Mapping[str, str] | None = None,
        database: str | None = None,
        operator: str = OPERATOR,
    ) -> None:
        self.data_dir = directory / "data"
        self.community_file = write_community(directory / "community.yaml", community or small_community())
        self.log_file = directory / "gateway.log"
        self.broker_port = broker.port if broker is not None else free_port()
        self.process: subprocess.Popen[bytes] | None = None
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.env = {
            **world.env,
            "ANJU_API__PORT": str(port),
            "ANJU_BROKER__PORT": str(self.broker_port),
            "ANJU_BROKER__MANAGED": str(broker is None),
            "MQTT_PASSWORD": "gateway-of-a-test",
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
            **(settings or {}),
        }
        if bus is not None:
            self.env["ANJU_SERIAL"] = json.dumps([{"name": "bus", "port": str(bus.tty)}])
        if database is not None:
            self.env["ANJU_DATABASE_URL"] = database
        self.database = database or f"sqlite:///{self.data_dir / 'state.db'}"
        self.token, self.checker = self._prepare(operator)
        """Those of the operator, and of who checks what the operator did."""
        self.api = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=10 * PATIENCE, trust_env=False
        )

    def _prepare(self, operator: str) -> tuple[str, str]:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        engine = open_database(self.database)
        try:
            now_ms = SystemClock().now_ms()
            registry_store.apply(engine, load_community(self.community_file), "test", now_ms)
            with engine.begin() as connection:
                names = (operator, f"{operator}-checker")
                first, second = (create_token(connection, name, "operator", now_ms) for name in names)
                return first, second
        finally:
            engine.dispose()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is not None:
            sys.stderr.write(f"--- gateway log\n{self.log[-6000:]}\n")

    def close(self) -> None:
        try:
            self.stop()
        finally:
            self.api.close()

    # --- the process ------------------------------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> None:
        """Start it on its data; waits until it is ready."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "serve", "--data-dir", str(self.data_dir)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.env},
            )
        if wait:
            self.wait_ready()

    def wait_ready(self, within_s: float = 30) -> None:
        eventually(lambda: self._alive() and self.readyz()[0] == 200, within_s, "gateway ready")

    def _alive(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.log[-4000:]}")
        return True

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        """SIGTERM, and wait for a clean end."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the gateway did not end within {20 * PATIENCE:g} s\n{self.log[-4000:]}") from None
        self.process = None
        assert code == 0, f"the gateway ended with {code}\n{self.log[-4000:]}"

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def command(self, *args: str) -> str:
        """What ``anju ARGS --data-dir …`` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *args, "--data-dir", str(self.data_dir)],
            cwd=ROOT,
            env={**os.environ, **self.env},
            capture_output=True,
            check=True,
            timeout=30 * PATIENCE,
        )
        return done.stdout.decode()

    # --- its doors --------------------------------------------------------------------------------------------

    def radio(self, name: str = "radio") -> Radio:
        """Devices connected to the gateway's broker."""
        password = ensure_broker_users(Secrets(self.data_dir / "secrets"))[DEVICES_USER]
        return Radio(self.broker_port, password, user=DEVICES_USER, name=name)

    def readyz(self) -> tuple[int, list[str]]:
        """Status and the parts that failed; (0, []) where nobody answers."""
        try:
            answer = self.api.get("/readyz")
        except httpx.HTTPError:
            return 0, []
        return answer.status_code, list(answer.json()["failed"])

    def ready(self) -> dict[str, Any]:
        """What /readyz says, ready or not."""
        document: dict[str, Any] = self.api.get("/readyz").json()
        return document

    def parts(self) -> dict[str, dict[str, Any]]:
        return {part["name"]: part for part in self._get("/api/v1/health")}

    def devices(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("/api/v1/devices?" + "&".join(f"{k}={v}" for k, v in query.items()))
        return found

    def device(self, device: str) -> dict[str, Any]:
        """A device with its health and its newest readings."""
        found: dict[str, Any] = self._get(f"/api/v1/devices/{device}")
        return found

    def latest(self, device: str) -> dict[str, float]:
        """The newest value of each metric of a device."""
        return {reading["metric"]: reading["value"] for reading in self.device(device)["latest"]}

    def cases(self) -> list[dict[str, Any]]:
        """All cases, the newest first."""
        return [summary["case"] for summary in self._get("/api/v1/cases?limit=1000")]

    def case(self, case_id: str) -> dict[str, Any]:
        """A case with its timeline, alarms and outbox."""
        found: dict[str, Any] = self._get(f"/api/v1/cases/{case_id}")
        return found

    def timeline(self, case_id: str) -> list[str]:
        return [line["what"] for line in self.case(case_id)["timeline"]]

    def act(self, case_id: str, action: str, **decision: Any) -> dict[str, Any]:
        """Take a decision as the operator ``night-desk``; somebody else checks."""
        who = {"Authorization": f"Bearer {self.checker}"} if action == "verify" else {}
        answer = self.api.post(f"/api/v1/cases/{case_id}/{action}", json=decision, headers=who)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["case"]
        return found

    def metric(self, name: str, **labels: str) -> float | None:
        """One figure of /metrics; None where there is none with these labels."""
        for line in self.api.get("/metrics").text.splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{key}="{text}"' in series for key, text in labels.items()):
                return float(value)
        return None

    def wait_for_case(self, device: str, within_s: float = 10) -> dict[str, Any]:
        """The newest case that a device opened."""

        def find() -> dict[str, Any] | None:
            return next((case for case in self.cases() if case["device"] == device), None)

        found = eventually(find, within_s, f"a case of {device}")
        assert found is not None
        return found

    def wait_for_line(self, case_id: str, what: str, within_s: float = 10) -> dict[str, Any]:
        """The first line of a case's timeline with this code."""

        def find() -> dict[str, Any] | None:
            return next((line for line in self.case(case_id)["timeline"] if line["what"] == what), None)

        found = eventually(find, within_s, f"{what} in the timeline of {case_id}")
        assert found is not None
        return found

    def _get(self, path: str) -> Any:
        answer = self.api.get(path)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()
