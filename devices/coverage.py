"""``python -m devices.coverage``: which kinds of device which profiles of off-the-shelf gear can speak for."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from devices.kinds import KINDS
from devices.profiles import PROFILES


def by_kind() -> Mapping[str, tuple[str, ...]]:
    """Every kind, and the keys of the profiles that know it."""
    return {kind: tuple(sorted(key for key, one in PROFILES.items() if kind in one.kinds)) for kind in KINDS}


def commands() -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Kind and command of the catalogue, and the keys of the profiles that can carry it out."""
    return {
        (kind.key, command): tuple(
            sorted(key for key, one in PROFILES.items() if command in one.commands.get(kind.key, ()))
        )
        for kind in KINDS.values()
        for command in kind.commands
    }


def main() -> None:
    """Write both to the terminal."""
    for kind, profiles in by_kind().items():
        sys.stdout.write(f"{kind} {KINDS[kind].zh}: {', '.join(profiles) or '—'}\n")
    for (kind, command), profiles in commands().items():
        sys.stdout.write(f"{kind} → {command}: {', '.join(profiles) or '—'}\n")


if __name__ == "__main__":
    main()
