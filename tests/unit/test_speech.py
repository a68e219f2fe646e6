"""Speech by the real eSpeak NG: WAVs as a telephone takes them, kept by text, and a clear word where it is missing."""

from __future__ import annotations

import asyncio
import io
import math
import struct
import wave
from array import array
from pathlib import Path

import pytest

from gateway.outbox.speech import NoSpeech, Speech, duration_s, samples, telephone_wav


async def test_words_become_a_telephone_wav_that_says_what_is_in_it(tmp_path: Path) -> None:
    text = "紧急呼救，李秀兰。地点，三号楼五零幺。"
    wav = await Speech(tmp_path / "speech").wav(text)
    with wave.open(io.BytesIO(wav)) as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (8000, 1, 2)
    assert 2 < duration_s(wav) < 8
    assert text.encode() in wav
    loud = array("h", samples(wav))
    assert max(loud) > 3000, "it is silent"


async def test_english_and_chinese_of_one_text_are_two_voices(tmp_path: Path) -> None:
    speech = Speech(tmp_path)
    assert samples(await speech.wav("120", "zh")) != samples(await speech.wav("120", "en"))


async def test_it_is_made_once_however_many_ask(tmp_path: Path) -> None:
    counting = tmp_path / "counting"
    counting.write_text(f'#!/bin/sh\necho x >> {tmp_path}/made\nexec espeak-ng "$@"\n', encoding="utf-8")
    counting.chmod(0o755)
    speech = Speech(tmp_path / "speech", program=str(counting))
    first, second = await asyncio.gather(speech.wav("起火"), speech.wav("起火"))
    third = await Speech(tmp_path / "speech", program=str(counting)).wav("起火")
    assert first == second == third
    assert (tmp_path / "made").read_text(encoding="utf-8").count("x") == 1


async def test_without_the_program_it_says_what_to_install(tmp_path: Path) -> None:
    speech = Speech(tmp_path, program="no-such-espeak")
    assert "apt-get install espeak-ng" in speech.trouble()
    with pytest.raises(NoSpeech, match="apt-get install espeak-ng"):
        await speech.wav("起火")
    assert Speech(tmp_path).trouble() == ""


@pytest.mark.parametrize("script", ["exit 3", "echo no sound", "true"])
async def test_a_program_that_makes_no_sound_is_an_error_and_nothing_is_kept(tmp_path: Path, script: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n", encoding="utf-8")
    broken.chmod(0o755)
    with pytest.raises(NoSpeech):
        await Speech(tmp_path / "speech", program=str(broken)).wav("起火")
    assert not list((tmp_path / "speech").glob("*.wav"))


def _tone(hz: float, rate: int, seconds: float = 0.5) -> bytes:
    frames = array("h", (round(12_000 * math.sin(2 * math.pi * hz * i / rate)) for i in range(int(rate * seconds))))
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(frames.tobytes())
    return out.getvalue()


def _power(wav: bytes, hz: float) -> float:
    """The part of the sound's power at one frequency (Goertzel)."""
    frames = array("h", samples(wav))[400:-400]
    turn = 2 * math.cos(2 * math.pi * hz / 8000)
    one = two = 0.0
    for frame in frames:
        one, two = frame + turn * one - two, one
    power = one * one + two * two - turn * one * two
    return power / (sum(frame * frame for frame in frames) or 1) / len(frames) * 2


@pytest.mark.parametrize("rate", [22_050, 16_000, 44_100, 8000])
def test_a_tone_stays_the_same_tone(rate: int) -> None:
    wav = telephone_wav(_tone(1000, rate), "tone")
    assert duration_s(wav) == pytest.approx(0.5, abs=0.01)
    assert _power(wav, 1000) > 0.98


def test_what_a_telephone_cannot_carry_does_not_come_back_as_a_hiss() -> None:
    wav = telephone_wav(_tone(6000, 22_050), "tone")  # would be heard at 2000 Hz
    assert max(array("h", samples(wav))[400:-400]) < 600


def test_what_is_no_wav_of_one_channel_is_refused() -> None:
    stereo = bytearray(_tone(1000, 8000))
    stereo[22:24] = struct.pack("<H", 2)
    with pytest.raises(ValueError, match="mono"):
        telephone_wav(bytes(stereo), "x")
    with pytest.raises(ValueError, match="expected a WAV"):
        duration_s(b"RIFFnothing")
