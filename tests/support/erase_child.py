"""A process that is killed in the middle of an erasure: ``python erase_child.py DATA_DIR STEP``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from gateway.api.store_opened import Opened
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.state.db import open_database
from gateway.store.erasures import orders
from gateway.store.transfer.erasing import Eraser


def main(data_dir: Path, step: str) -> None:
    settings = Settings(data_dir=data_dir)
    opened = Opened(settings, open_database(settings.database))

    def tell(what: str, done: float) -> None:
        if step in what and (done > 0.4 or step != "deleting"):
            os.kill(os.getpid(), signal.SIGKILL)

    eraser = Eraser(settings, opened.engine, SystemClock(), opened.kinds)
    eraser.carry_out(orders(opened.engine, unfinished=True)[0], opened.serving, tell)


main(Path(sys.argv[1]), sys.argv[2])
