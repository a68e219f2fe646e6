"""The ports that tests give their servers: no two test processes have one in common."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests.support.ports import BLOCK, FIRST, HOST, blocks, free_port

CHILD = "import sys; from tests.support.ports import free_port; print(free_port(), flush=True); sys.stdin.read()"


def test_ports_of_processes_that_run_together() -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [child.stdout.readline() for child in children if child.stdout is not None]
    for child in children:
        child.communicate()
    blocks_taken = {(port - FIRST) // BLOCK for port in (free_port(), *map(int, said))}
    assert len(blocks_taken) == 4


def test_a_port_in_use_is_passed_over_and_none_comes_twice_in_a_round() -> None:
    first = free_port()
    with socket.create_server((HOST, first + 1)):
        round_ = [free_port() for _ in range(BLOCK // 2)]
    assert first + 1 not in round_
    assert len({first, *round_}) == 1 + len(round_)


def test_blocks_keep_clear_of_what_the_system_gives_away() -> None:
    linux = blocks(32_768, 60_999)
    assert len(linux) == len(set(linux)) > 50
    assert all(first >= 15_000 and first + BLOCK <= 32_768 for first in linux)
    wide = blocks(1_024, 60_999)
    assert wide and all(first >= 61_000 and first + BLOCK <= 65_536 for first in wide)
    everything = blocks(1_024, 65_535)
    assert everything and all(15_000 <= first <= 65_536 - BLOCK for first in everything)
