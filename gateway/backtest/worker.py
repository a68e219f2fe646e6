"""A back-test in a process of its own: ``python -m gateway.backtest.worker``. It must not delay a press.

In: one line of JSON, an `Order`. Out: lines of JSON, ``{"progress": …}`` and at the end ``{"result": …}`` or
``{"error": {"zh": …, "en": …}}``. It runs at the lowest priority, within `MEMORY_BYTES`, and ends when its input is
closed: whoever started it has cancelled, or is gone.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading

import psutil
import sqlalchemy as sa
from pydantic import ValidationError

from gateway.backtest.job import Backtest, Cancelled
from gateway.backtest.model import Note, Progress
from gateway.backtest.order import Order, plan_of, really_of
from gateway.backtest.sources.history import HistoryError
from gateway.rules.errors import RuleError
from gateway.state.db import open_database

MEMORY_BYTES = 3 * 2**30
"""Of address space; what is really used stays far below (docs/backtest.md)."""
NICE = 15
STDIN = 0


def main() -> int:
    """Do the order that comes in. 0 when it was answered, by a result or by an error in words."""
    _be_humble()
    line = sys.stdin.buffer.readline()
    try:
        order = Order.model_validate_json(line)
        engine = open_database(order.settings.database)
        try:
            plan = plan_of(order, engine)
            job = Backtest(plan, on_progress=_tell, really=really_of(engine, plan) if order.compare else None)
            threading.Thread(target=_until_closed, args=(job,), daemon=True).start()
            _say(f'{{"result":{job.run().model_dump_json()}}}')
        finally:
            engine.dispose()
    except Cancelled:
        return 0
    except HistoryError as error:
        _fail(error.zh, error.en)
    except RuleError as error:
        _fail("规则有误", str(error))
    except MemoryError:
        _fail("内存不足", "it needs too much memory: take a shorter time, or fewer devices")
    except sa.exc.SQLAlchemyError as error:
        _fail("状态数据库读不出", f"the state database cannot be read: {type(error).__name__}")
    except ValidationError as error:
        _fail("回测任务有误", f"the order does not fit: {error.error_count()} faults")
    except ValueError as error:
        _fail("规则有误", str(error))
    return 0


def _be_humble() -> None:
    """The gateway comes first: for the processor, for the disk, and for memory."""
    os.nice(NICE)
    with contextlib.suppress(psutil.Error, OSError, AttributeError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    with contextlib.suppress(ValueError, OSError):  # a lower limit is set already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _until_closed(job: Backtest) -> None:
    while os.read(STDIN, 4096):  # not by Python's buffer, whose lock this thread would hold when the process ends
        pass
    job.cancel()


def _tell(progress: Progress) -> None:
    _say(f'{{"progress":{progress.model_dump_json()}}}')


def _fail(zh: str, en: str) -> None:
    _say(f'{{"error":{Note(code="failed", zh=zh, en=en).model_dump_json()}}}')


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
