"""Real SIP peers on loopback: a telephone (a second baresip) and SIPp, which plays a scenario and checks it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import re
import signal
import struct
import wave
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gateway.outbox.sip.config import modules
from gateway.outbox.sip.control import Control, Event
from gateway.outbox.sip.line import Patience
from gateway.outbox.sip.trunk import SipCaller
from gateway.outbox.speech import Speech
from gateway.settings import Secrets, SipTrunk
from gateway.transports.backoff import Backoff
from tests.support.eventually import PATIENCE, eventually, eventually_async
from tests.support.ports import HOST, free_port

HASTE = Patience(lead=0.2, pause=0.5, last=1.5, look=0.3, ring=4, restart=Backoff(0.1, 0.5))
"""A person needs longer; a test does not."""


@dataclass(kw_only=True)
class Telephone:
    """A baresip that takes every call, writes down what it hears, and can press keys."""

    port: int
    directory: Path
    control: Control
    process: asyncio.subprocess.Process
    events: list[Event] = field(default_factory=list)

    def saw(self, kind: str) -> int:
        return sum(event.type == kind for event in self.events)

    async def in_call(self) -> None:
        await eventually_async(lambda: self.saw("CALL_ESTABLISHED"), what="the telephone takes the call")

    async def press(self, key: str) -> None:
        await self.control.command("sndcode", key)

    def kill(self) -> None:
        """As a power cut does it: no BYE."""
        self.process.send_signal(signal.SIGKILL)

    def heard(self) -> array[int]:
        """The samples that came in, 8 kHz, of all its calls."""
        heard = array("h")
        for path in sorted(self.directory.glob("dump-*-dec.wav")):
            data = path.read_bytes()
            # A call that was broken off leaves a file whose head knows no length yet.
            heard.frombytes(data[44 : len(data) - len(data) % 2])
        return heard


@contextlib.asynccontextmanager
async def telephone(directory: Path) -> AsyncIterator[Telephone]:
    """Takes every call and never hangs up by itself."""
    # baresip takes the port after that of SIP as well, for TLS.
    port, _, control_port = free_port(), free_port(), free_port()
    lines = [
        "poll_method epoll",
        f"sip_listen {HOST}:{port}",
        f"net_interface {HOST}",
        "call_max_calls 8",
        # The name of source and player in common: what is heard is sent back.
        "audio_source aubridge,ear",
        "audio_player aubridge,ear",
        "audio_alert aubridge,alert",
        "rtp_ports 20000-29998",
        f"module_path {modules()}",
        "module g711.so",
        "module aubridge.so",
        "module sndfile.so",
        f"snd_path {directory}",
        "module_app menu.so",
        "module_app ctrl_tcp.so",
        f"ctrl_tcp_listen {HOST}:{control_port}",
    ]
    _write(directory, {"config": "\n".join(lines) + "\n", "contacts": ""})
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec("baresip", "-f", ".", cwd=directory, stdout=log, stderr=log)
    events: list[Event] = []
    try:
        control = await _control(control_port, events)
        await control.command("uanew", f"<sip:13800138000@{HOST}:{port}>;regint=0;answermode=auto")
        yield Telephone(port=port, directory=directory, control=control, process=process, events=events)
        await control.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _write(directory: Path, files: dict[str, str]) -> None:
    directory.mkdir(parents=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")


async def _control(port: int, events: list[Event]) -> Control:
    for _ in range(200):
        with contextlib.suppress(OSError):
            return await Control.connect(port, events.append)
        await asyncio.sleep(0.05)
    raise AssertionError("the telephone did not start")


@contextlib.asynccontextmanager
async def trunk_to(
    port: int, tmp_path: Path, *, patience: Patience = HASTE, password: str = "", **given: object
) -> AsyncIterator[SipCaller]:
    """Our side, running: a trunk whose proxy is ``port``. Leaves loopback by no way."""
    secrets = Secrets(tmp_path / "secrets")
    if password:
        secrets.directory.mkdir(exist_ok=True)
        (secrets.directory / "SIP_PASSWORD").write_text(password, encoding="utf-8")
    values: dict[str, object] = {"name": "trunk", "proxy": f"{HOST}:{port}", "user": "anju", "bind": HOST, "calls": 1}
    values |= {"register_s": 0} | ({"secret": "SIP_PASSWORD"} if password else {}) | given
    caller = SipCaller(
        SipTrunk.model_validate(values), secrets, Speech(tmp_path / "speech"), tmp_path / "sip", patience
    )
    caller.start()
    try:
        yield caller
    finally:
        await caller.stop()


async def up(caller: SipCaller) -> None:
    await eventually_async(lambda: caller.health.up == len(caller.health.lines), what="the lines are up")


_HEADERS = "[last_Via:]\n[last_From:]\n[last_To:];tag=peer[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n"
_CONTACT = "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n"


def answer(status: str, *more: str, sdp_port: int | None = None) -> str:
    """A step that answers what came last."""
    body = ""
    if sdp_port is not None:
        more = (*more, "Content-Type: application/sdp")
        body = (
            f"v=0\no=peer 1 1 IN IP4 {HOST}\ns=-\nc=IN IP4 {HOST}\nt=0 0\nm=audio {sdp_port} RTP/AVP 0 101\n"
            "a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\n"
        )
    heads = "".join(f"{line}\n" for line in more)
    text = f"SIP/2.0 {status}\n{_HEADERS}{_CONTACT}{heads}Content-Length: [len]\n\n{body}"
    return f"<send><![CDATA[\n{text}\n]]></send>"


def receive(method: str, action: str = "") -> str:
    return f'<recv request="{method}">{action}</recv>'


CHALLENGE = 'Digest realm="anju.test", nonce="c0ffee", algorithm=MD5, qop="auth"'


NOTE_CREDENTIALS = (
    '<action><ereg regexp=".*" search_in="hdr" header="Authorization:" assign_to="credentials"/>'
    '<log message="[$credentials]"/></action>'
)


def answers_challenge(credentials: str, method: str, password: str) -> bool:
    """Whether a digest (RFC 7616, MD5 with qop) is right for the user ``anju`` with ``password``."""
    given = dict(re.findall(r'(\w+)="?([^",\s]*)', credentials))

    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    first, second = md5("anju", "anju.test", password), md5(method, given["uri"])
    rest = (given["nonce"], given["nc"], given["cnonce"], given["qop"])
    return given["username"] == "anju" and given["response"] == md5(first, *rest, second)


class Sipp:
    """SIPp with a scenario of its own; `passed` when all of it happened as written."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, directory: Path) -> None:
        self._process = process
        self.port = port
        self._directory = directory

    def noted(self) -> str:
        """What its scenario logged."""
        return "".join(path.read_text() for path in self._directory.glob("*_logs.log"))

    async def passed(self, within_s: float = 20) -> None:
        async with asyncio.timeout(within_s * PATIENCE):
            status = await self._process.wait()
        said = "\n".join(path.read_text(errors="replace") for path in self._directory.glob("*_errors.log"))
        assert status == 0, f"SIPp ended with {status}: {said or (self._directory / 'log').read_text()[-3000:]}"


@contextlib.asynccontextmanager
async def sipp(
    directory: Path, *steps: str, calls: int = 1, transport: str = "u1", to: int | None = None
) -> AsyncIterator[Sipp]:
    """``calls``: how often it is played, once for each Call-ID. ``to``: it calls that port; else it waits to be
    called."""
    scenario = '<?xml version="1.0" encoding="UTF-8" ?>\n<scenario name="peer">' + "\n".join(steps) + "</scenario>"
    _write(directory, {"peer.xml": scenario})
    port = free_port()
    arguments = ["-sf", "peer.xml", "-i", HOST, "-p", str(port), "-m", str(calls), "-t", transport, "-nostdin"]
    arguments += ["-trace_err", "-trace_logs", "-cp", str(free_port()), "-timeout", "30", "-timeout_error"]
    arguments += [f"{HOST}:{to}"] if to is not None else []
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec("sipp", *arguments, cwd=directory, stdout=log, stderr=log)
    try:
        await asyncio.to_thread(_bound, port)
        yield Sipp(process, port, directory)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _bound(port: int) -> None:
    """Waits until SIPp has its port, UDP or TCP: a message that comes before is lost."""
    eventually(
        lambda: any(one.laddr and one.laddr.port == port for one in psutil.net_connections("inet")),
        what="SIPp listens",
    )


def voiced_s(samples: array[int], *, loud: int = 500) -> float:
    """How many seconds of ``samples`` are sound, by blocks of 20 ms."""
    block = 160
    return sum(max(map(abs, samples[at : at + block])) >= loud for at in range(0, len(samples) - block, block)) / 50


def wav_samples(wav: bytes) -> array[int]:
    with wave.open(io.BytesIO(wav)) as reader:
        return array("h", reader.readframes(reader.getnframes()))


def rtp_sequence(packet: bytes) -> tuple[int, int]:
    """Payload type and sequence number."""
    _, kind, sequence = struct.unpack("!BBH", packet[:4])
    return kind & 0x7F, sequence
