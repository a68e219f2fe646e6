"""A process that writes a journal until it is killed, or until the disk ends.

``python -m tests.support.journal_child crash <directory> <round>``: presses, readings and quarantined messages without
end; every answer is written to standard output after it was given.
``python -m tests.support.journal_child full <directory>``: the file size limit of the process plays a full disk; a
report is written as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path

from devices.observation import Lane
from gateway.clock import SystemClock
from gateway.journal.entry import Done, Outcome
from gateway.journal.journal import Journal
from gateway.settings import JournalSettings
from tests.support.eventually import eventually
from tests.support.journal import press, reading, unreadable


def crash(directory: Path, round_: int) -> None:
    journal = Journal(directory, JournalSettings(), SystemClock())
    journal.start()
    room = threading.Semaphore(300)

    def tell(name: str) -> Done:
        def done(outcome: Outcome) -> None:
            room.release()
            os.write(1, f"{outcome.value} {name}\n".encode())

        return done

    os.write(1, b"started -\n")
    number = 0
    while True:
        number += 1
        for observation in (press(number, device=f"sos-{round_}"), reading(number, device=f"vitals-{round_}")):
            room.acquire()
            journal.submit(observation, tell(observation.message_id))
        if number % 10 == 0:
            room.acquire()
            journal.submit(press(number - 5, device=f"sos-{round_}"), tell(f"sos-{round_}:1:{number - 5}"))
            room.acquire()
            journal.quarantine(unreadable(number), tell("quarantine"))
            journal.set_cursor("decider", Lane.URGENT, number)


def full(directory: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(directory, JournalSettings(), SystemClock())
    journal.start()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))

    def send(number: int) -> Outcome:
        answered = threading.Event()
        answer: list[Outcome] = []

        def done(outcome: Outcome) -> None:
            answer.append(outcome)
            answered.set()

        journal.submit(press(number, data={"text": "x" * 500}), done)
        if not answered.wait(30):
            raise TimeoutError
        return answer[0]

    outcomes = [send(number) for number in range(500)]
    troubles = [str(trouble) for trouble in journal.health()]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    eventually(lambda: journal.health() == (), 10, "recovered")
    report = {
        "stored": [n for n, outcome in enumerate(outcomes) if outcome is Outcome.STORED],
        "refused": [n for n, outcome in enumerate(outcomes) if outcome is Outcome.REFUSED],
        "troubles": troubles,
        "afterwards": send(1000),
        "ids": [entry.observation.message_id for entry in journal.read(Lane.URGENT, 0, 10_000)],
    }
    journal.close()
    os.write(1, json.dumps(report).encode())


if __name__ == "__main__":
    if sys.argv[1] == "crash":
        crash(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        full(Path(sys.argv[2]))
