"""Put a history that lies in a file in any order into the order of time, in bounded memory.

Exports often stand device by device. So much as fits is sorted in memory; longer files are sorted in pieces, which wait
in a temporary file each and are merged.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO

import msgspec

from devices.observation import Lane, Observation

AT_ONCE = 200_000
"""Observations held in memory: about 200 MB."""
_BUFFER = 1 << 20
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Observation)


def in_order(observations: Iterable[Observation], at_once: int = AT_ONCE) -> Iterator[Observation]:
    """All of ``observations`` by time of receipt; of one millisecond the urgent first, else as they stand."""
    source = iter(observations)
    with ExitStack() as stack:
        runs: list[IO[bytes]] = []
        while True:
            piece = list(islice(source, at_once))
            piece.sort(key=_key)
            if not runs and len(piece) < at_once:
                yield from piece
                return
            if piece:
                run = stack.enter_context(tempfile.TemporaryFile(prefix="anju-backtest-", buffering=_BUFFER))
                _write(run, piece)
                runs.append(run)
            if len(piece) < at_once:
                break
        del piece
        yield from heapq.merge(*(_read(run) for run in runs), key=_key)


def _key(observation: Observation) -> tuple[int, bool]:
    return observation.received_at_ms, observation.lane is not Lane.URGENT


def _write(file: IO[bytes], piece: list[Observation]) -> None:
    for observation in piece:
        body = _encoder.encode(observation)
        file.write(len(body).to_bytes(4, "little"))
        file.write(body)
    file.seek(0)


def _read(file: IO[bytes]) -> Iterator[Observation]:
    while head := file.read(4):
        yield _decoder.decode(file.read(int.from_bytes(head, "little")))
