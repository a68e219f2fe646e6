"""Files made once: each with its owner and mode, never overwritten where it is a secret, and what became of each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644
PASSWORD_BYTES = 24


class Fate(StrEnum):
    """What became of a file."""

    MADE = "made"
    KEPT = "kept"
    RENEWED = "renewed"
    """Its content was out of date, and was written anew."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a file is."""

    uid: int
    gid: int


@dataclass(slots=True)
class Keeper:
    """Makes what is missing below ``root``. ``owners`` by the first part of a path; None: files stay the caller's."""

    root: Path
    owners: Mapping[str, Owner] | None
    fates: dict[str, Fate] = field(default_factory=dict)
    """By path below ``root``, in the order in which they were looked at."""

    def house(self) -> None:
        """The directory itself: everybody may pass through it to the rooms, whose doors are shut."""
        if not self.root.exists():
            self.root.mkdir(parents=True)
            self.root.chmod(0o755)

    def room(self, name: str, mode: int = 0o700) -> Path:
        """A directory of one service, which only that service may enter."""
        path = self._path(name)
        path.mkdir(parents=True, exist_ok=True)
        self._give(path, name, mode)
        return path

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(PASSWORD_BYTES)) -> str:
        """The secret in the file ``name``; made there by chance, or by ``make``, where it is missing.

        Raises OSError, and ValueError where the file is empty: an empty password would let everybody in.
        """
        path = self._path(name)
        if path.exists():
            value = path.read_text(encoding="utf-8").strip()
            if not value:
                raise ValueError(f"{path} is empty: delete it, or write the secret into it")
            self._give(path, name, PRIVATE)
            self.fates[name] = Fate.KEPT
            return value
        value = make()
        self._write(path, value + "\n", name, PRIVATE)
        self.fates[name] = Fate.MADE
        return value

    def text(self, name: str, content: str, mode: int = PRIVATE) -> Fate:
        """A file that is made from other things: written again where it would say something else."""
        path = self._path(name)
        before = path.read_text(encoding="utf-8") if path.exists() else None
        if before == content:
            self._give(path, name, mode)
            fate = Fate.KEPT
        else:
            self._write(path, content, name, mode)
            fate = Fate.MADE if before is None else Fate.RENEWED
        self.fates[name] = fate
        return fate

    def once(self, name: str, content: str, mode: int = PRIVATE) -> Fate:
        """A file that belongs to whoever runs the deployment as soon as it is there: never written again."""
        path = self._path(name)
        if path.exists():
            self._give(path, name, mode)
            self.fates[name] = Fate.KEPT
            return Fate.KEPT
        return self.text(name, content, mode)

    def read(self, name: str) -> str | None:
        """What stands in a file; None where there is none."""
        path = self._path(name)
        return path.read_text(encoding="utf-8") if path.exists() else None

    def _write(self, path: Path, content: str, name: str, mode: int) -> None:
        """Whole or not at all, never readable by others in between, on disk before what follows from it."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._give(temporary, name, mode)
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _path(self, name: str) -> Path:
        """Raises ValueError for a symbolic link: a service that owns a room must not choose whose files root reads,
        and gives away to it."""
        path = self.root / name
        if path.is_symlink():
            raise ValueError(f"{path} is a symbolic link: put the file itself there")
        return path

    def _give(self, path: Path, name: str, mode: int) -> None:
        owner = None if self.owners is None else self.owners.get(name.split("/", 1)[0])
        if owner is not None:
            os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(mode)
