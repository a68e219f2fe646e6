"""``python -m dashboards`` writes dashboards/json from the boards; with ``--check`` it only says what differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards.boards import BOARDS
from dashboards.grafana.build import files

FOLDER = Path(__file__).parent / "json"


def differences(wanted: dict[str, str], folder: Path) -> list[str]:
    """Names of files that are missing, different, or of no board any more."""
    there = {path.relative_to(folder).as_posix(): path for path in folder.glob("*/*.json")}
    changed = [name for name, text in wanted.items() if name not in there or there[name].read_text("utf-8") != text]
    return sorted([*changed, *(there.keys() - wanted.keys())])


def main(arguments: list[str] | None = None) -> int:
    """Write the JSON of every board, or compare it; 1 where ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where code and JSON differ")
    check = parser.parse_args(arguments).check
    wanted = files(BOARDS)
    differ = differences(wanted, FOLDER)
    for name in differ:
        print(f"{'differs' if check else 'written'}: {FOLDER.name}/{name}", file=sys.stderr)  # noqa: T201
        if check:
            continue
        path = FOLDER / name
        if name not in wanted:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[name], encoding="utf-8")
    if check and differ:
        print("run `python -m dashboards` and commit what it writes", file=sys.stderr)  # noqa: T201
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
