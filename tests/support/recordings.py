"""Large catalogues and recordings of real gear that are no part of the repository.

They lie in ``shared/data`` beside it, or where ``ANJU_TEST_DATA`` says. A test that reads one has vectors of its own,
too, and runs on those where there is none.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

_BESIDE = Path(__file__).parents[3] / "shared" / "data"


def recording(name: str) -> Any:
    """What the JSON file ``name`` holds; None, and a line that says why, where it is not at hand."""
    path = Path(os.environ.get("ANJU_TEST_DATA", _BESIDE)) / name
    if not path.exists():
        sys.stdout.write(f"{path} is not here: this test runs on the repository's own vectors alone\n")
        return None
    return json.loads(path.read_text(encoding="utf-8"))
