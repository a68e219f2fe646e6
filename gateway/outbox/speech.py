"""Text to a WAV that a telephone can carry: 8 kHz, mono, 16 bit, by eSpeak NG (Debian package ``espeak-ng``).

What was made once is kept, by text: a call repeats its words, and a rung says the same to several people. The words
stand in the file as well (RIFF ``ICMT``), so that whoever finds it knows what it says.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import os
import shutil
import struct
import wave
from array import array
from operator import mul
from pathlib import Path
from typing import Literal

RATE_HZ = 8000
VOICES = {"zh": "cmn", "en": "en"}
PACE = {"zh": 240, "en": 160}
"""Words a minute as eSpeak counts them: some four Chinese characters, or 14 Latin letters, a second."""
MADE_WITHIN_S = 20.0
KEPT_FILES = 200
_TAPS = 24


class NoSpeech(Exception):
    """The words could not be made audible; the message says what to do."""


class Speech:
    """Makes WAVs and keeps them in ``directory``. One for all lines; several may ask at the same time."""

    def __init__(self, directory: Path, *, program: str = "espeak-ng") -> None:
        self._directory = directory
        self._program = program
        self._making: dict[Path, asyncio.Task[bytes]] = {}

    def trouble(self) -> str:
        """Why nothing can be said; empty where it can."""
        if shutil.which(self._program) is None:
            return f"缺少语音合成程序 {self._program} is not installed: apt-get install espeak-ng"
        return ""

    async def wav(self, text: str, language: Literal["zh", "en"] = "zh") -> bytes:
        """``text`` as a WAV of 8 kHz, mono, 16 bit. Raises NoSpeech."""
        name = hashlib.sha256(f"{language}\0{text}".encode()).hexdigest()[:32]
        path = self._directory / f"{name}.wav"
        task = self._making.get(path)
        if task is None:
            task = asyncio.create_task(self._make(path, text, language), name="speech")
            self._making[path] = task
            task.add_done_callback(lambda _: self._making.pop(path, None))
        return await asyncio.shield(task)

    async def _make(self, path: Path, text: str, language: str) -> bytes:
        found = await asyncio.to_thread(_read, path)
        if found:
            return found
        raw = await self._synthesize(text, language)
        try:
            made = await asyncio.to_thread(telephone_wav, raw, text)
            await asyncio.to_thread(_keep, path, made)
        except (wave.Error, EOFError, ValueError) as error:
            raise NoSpeech(f"{self._program} 的输出无法使用 its output is no WAV: {error}") from None
        except OSError as error:
            raise NoSpeech(f"语音无法保存 the WAV cannot be kept in {self._directory}: {error}") from None
        return made

    async def _synthesize(self, text: str, language: str) -> bytes:
        arguments = ["-v", VOICES[language], "-s", str(PACE[language]), "--stdin", "--stdout", "-b", "1"]
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise NoSpeech(self.trouble() or f"{self._program} 无法启动 cannot be started: {error}") from None
        try:
            async with asyncio.timeout(MADE_WITHIN_S):
                made, said = await process.communicate(text.encode())
        except TimeoutError:
            process.kill()
            await process.wait()
            raise NoSpeech(
                f"{self._program} {MADE_WITHIN_S:g} 秒无结果 had nothing after {MADE_WITHIN_S:g} s"
            ) from None
        if process.returncode != 0 or not made:
            why = said.decode(errors="replace").strip()[:200] or f"exit status {process.returncode}"
            raise NoSpeech(f"{self._program} 合成失败 failed: {why}; apt-get install espeak-ng")
        return made


def duration_s(wav: bytes) -> float:
    """How long a WAV is. Raises ValueError for what is none."""
    try:
        with wave.open(io.BytesIO(wav)) as reader:
            return float(reader.getnframes() / reader.getframerate())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"expected a WAV, found {error}") from None


def samples(wav: bytes) -> bytes:
    """The bare samples of a WAV as `telephone_wav` makes them: 16 bit, little endian."""
    with wave.open(io.BytesIO(wav)) as reader:
        return bytes(reader.readframes(reader.getnframes()))


def telephone_wav(wav: bytes, text: str) -> bytes:
    """Any mono 16-bit WAV as one of 8 kHz, with ``text`` as its comment. Raises wave.Error, EOFError, ValueError."""
    with wave.open(io.BytesIO(wav)) as reader:
        if reader.getnchannels() != 1 or reader.getsampwidth() != 2:
            raise ValueError("expected 16 bit, mono")
        rate = reader.getframerate()
        # A program that writes to a pipe does not know the length, and says the longest there is.
        frames = array("h", reader.readframes(min(reader.getnframes(), len(wav) // 2)))
    if not frames:
        raise ValueError("no sound in it")
    data = _resampled(frames, rate).tobytes()
    comment = text.encode() + b"\0"
    comment += b"\0" * (len(comment) % 2)
    info = b"INFO" + b"ICMT" + struct.pack("<I", len(comment)) + comment
    body = b"WAVE" + b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, RATE_HZ * 2, 2, 16)
    body += b"data" + struct.pack("<I", len(data)) + data
    body += b"LIST" + struct.pack("<I", len(info)) + info
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _resampled(frames: array[int], rate: int) -> array[int]:
    """At 8 kHz, through a windowed-sinc low pass: what lies above 4 kHz would come back as a hiss."""
    if rate == RATE_HZ:
        return frames
    common = math.gcd(rate, RATE_HZ)
    phases, step = RATE_HZ // common, rate // common
    cutoff = min(1.0, RATE_HZ / rate) * 0.92
    half = math.ceil(_TAPS / 2 / min(1.0, cutoff))
    kernels = [_kernel(phase / phases, cutoff, half) for phase in range(phases)]
    padded = [0] * half + list(frames) + [0] * (half + 1)
    out = array("h")
    for index in range(len(frames) * RATE_HZ // rate):
        whole, phase = divmod(index * step, phases)
        value = sum(map(mul, kernels[phase], padded[whole + 1 : whole + 1 + 2 * half]))
        out.append(max(-32768, min(32767, round(value))))
    return out


def _kernel(fraction: float, cutoff: float, half: int) -> list[float]:
    weights = []
    for tap in range(2 * half):
        at = tap - half + 1 - fraction
        sinc = 1.0 if at == 0 else math.sin(math.pi * cutoff * at) / (math.pi * cutoff * at)
        weights.append(sinc * (0.5 + 0.5 * math.cos(math.pi * at / (half + 1))))
    total = sum(weights)
    return [weight / total for weight in weights]


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return b""
    return data


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)
    kept = sorted(path.parent.glob("*.wav"), key=lambda one: one.stat().st_mtime)
    for old in kept[:-KEPT_FILES]:
        old.unlink(missing_ok=True)
