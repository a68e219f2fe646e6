"""Which files make up a community, and where each entry stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from gateway.registry.explain import show
from gateway.registry.problem import Path, Problem, did_you_mean, one_of, path_text
from gateway.registry.sections import SCALARS, SECTIONS
from gateway.registry.yamlfile import Map, Seq, line_of, read_yaml

MAX_FILES = 1000
MAX_TOTAL_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One place, person, device …, or one scalar section, as written."""

    file: str
    prefix: Path
    value: Any
    line: int

    def problem(self, path: Path, message: str, *, warning: bool = False) -> Problem:
        """What is wrong at ``path`` below this entry, with file and line."""
        return Problem(
            level="warning" if warning else "error",
            file=self.file,
            line=line_of(self.value, path, self.line),
            key=path_text((*self.prefix, *path)),
            message=message,
        )


@dataclass(slots=True)
class Sources:
    """Everything written, by section, in the order of the files."""

    scalars: dict[str, Entry] = field(default_factory=dict)
    sections: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    broken: set[str] = field(default_factory=set)
    """Sections of which something could not even be read, so that nobody can say what is missing in them."""
    files: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_sources(main: FilePath) -> Sources:
    """Read ``main`` and all it includes. Never raises for what the files say; see ``problems``."""
    return _Reading(main).sources


class _Reading:
    def __init__(self, main: FilePath) -> None:
        self.sources = Sources()
        self._root = main.parent.resolve()
        self._shown = main.parent
        self._done: set[FilePath] = set()
        self._bytes = 0
        try:
            real = main.resolve(strict=True)
        except OSError as error:
            self._complain(str(main), 1, "", f"cannot be read: {error.strerror or error}; check the path")
            return
        self._file(real, str(main), chain=(real,))

    def _complain(self, file: str, line: int, key: str, message: str) -> None:
        self.sources.problems.append(Problem(file=file, line=line, key=key, message=message))

    def _file(self, real: FilePath, shown: str, chain: tuple[FilePath, ...]) -> None:
        self._done.add(real)
        self.sources.files.append(shown)
        try:
            data = real.read_bytes()
        except OSError as error:
            self._complain(shown, 1, "", f"cannot be read: {error.strerror or error}")
            self.sources.broken.update(SECTIONS)
            return
        self._bytes += len(data)
        if self._bytes > MAX_TOTAL_BYTES:
            self._complain(
                shown, 1, "", f"all files together have more than {MAX_TOTAL_BYTES} bytes; nothing more is read"
            )
            self.sources.broken.update(SECTIONS)
            return
        document, problems = read_yaml(shown, data)
        self.sources.problems.extend(problems)
        is_main = len(chain) == 1
        if not isinstance(document, Map):
            if not problems:
                self._complain(shown, 1, "", f"expected sections such as places: or devices:, found {show(document)}")
            self.sources.broken.update(SECTIONS)
        elif not is_main and ("form" in document or "use" in document):
            self.sources.sections["rules"].append(Entry(shown, (), document, document.line))
        else:
            self._sections(document, shown, chain)

    def _sections(self, document: Map, shown: str, chain: tuple[FilePath, ...]) -> None:
        is_main = len(chain) == 1
        for key, value in document.items():
            line = document.lines[key]
            if key in SECTIONS:
                if value is None:
                    continue
                if not isinstance(value, Seq):
                    self._complain(shown, line, key, f"expected a list (lines that begin with -), found {show(value)}")
                    self.sources.broken.add(key)
                    continue
                self.sources.sections[key].extend(
                    Entry(shown, (key, index), entry, value.lines[index]) for index, entry in enumerate(value)
                )
            elif key in SCALARS:
                if is_main:
                    self.sources.scalars[key] = Entry(shown, (key,), value, line)
                else:
                    self._complain(shown, line, key, "stands only in the main file; move it there")
            elif key == "include":
                self._include(value, line, shown, chain)
            else:
                known = (*SECTIONS, *SCALARS, "include")
                near = did_you_mean(key, known)
                self._complain(shown, line, key, f"unknown section; expected one of {one_of(known)}{near}")
                # what stands in it is not missed a second time
                self.sources.broken.update(name for name in known if near == did_you_mean(name, (name,)))

    def _include(self, value: object, line: int, shown: str, chain: tuple[FilePath, ...]) -> None:
        if not isinstance(value, Seq):
            self._complain(shown, line, "include", f"expected a list of files, found {show(value)}")
            return
        for index, pattern in enumerate(value):
            key, at = f"include[{index}]", value.lines[index]
            if not isinstance(pattern, str) or not pattern:
                self._complain(shown, at, key, f"expected a file name or a pattern, found {show(pattern)}")
                continue
            found = False
            for real in self._matches(pattern, at, key, shown, chain):
                found = True
                if real in chain:
                    way = " → ".join(step.name for step in (*chain[chain.index(real) :], real))
                    self._complain(shown, at, key, f"{pattern} includes itself ({way}); name the other files only")
                elif real in self._done:
                    self._complain(shown, at, key, f"{real.name} is included twice; name it once")
                elif len(self._done) >= MAX_FILES:
                    self._complain(shown, at, key, f"more than {MAX_FILES} files; put several entries into one file")
                    return
                else:
                    self._file(real, str(self._shown / real.relative_to(self._root)), (*chain, real))
            if not found:
                self.sources.broken.update(SECTIONS)

    def _matches(
        self, pattern: str, line: int, key: str, shown: str, chain: tuple[FilePath, ...]
    ) -> Iterator[FilePath]:
        """The real files of one include; complains about none, and about any outside the community's directory."""
        here = chain[-1].parent
        if FilePath(pattern).is_absolute():
            self._complain(shown, line, key, f"{pattern} is absolute; give it relative to this file")
            return
        try:
            names = sorted(here.glob(pattern))
        except ValueError as error:
            self._complain(shown, line, key, f"{pattern} is no pattern: {error}; write a file name or *.yaml")
            return
        if not names:
            self._complain(shown, line, key, f"no file is called {pattern} in {here.name}/; check the name")
            return
        for name in names:
            real = name.resolve()
            if not real.is_relative_to(self._root):
                self._complain(
                    shown, line, key, f"{pattern} leads outside the community's directory; move the file into it"
                )
            elif real.is_file():
                yield real
            elif "*" not in pattern:
                self._complain(
                    shown, line, key, f"{pattern} is no file; to include a folder write {pattern.rstrip('/')}/*.yaml"
                )
