"""What stands against a change of the registry, said of a device and not of a line in a file."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.registry.chinese import chinese
from gateway.registry.finding import Finding
from gateway.registry.model import Community
from gateway.registry.problem import path_text


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with what: which device (or other entry), which of its fields, what was expected, what to do."""

    entry: str
    field: str
    en: str

    @property
    def zh(self) -> str:
        """The kind of fault in Chinese; the details stand in English."""
        return chinese(self.en)

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.entry, self.field) if part)
        said = f"{self.zh} {self.en}".lstrip()
        return f"{where}: {said}" if where else said


def fault_of(community: Community, finding: Finding) -> Fault:
    """What `check` found, by the id of the entry."""
    section = getattr(community, finding.section)
    name = section[finding.index].id if isinstance(section, tuple) else finding.section
    other = f" {section[finding.first].id}" if finding.first is not None else ""
    return Fault(name, path_text(finding.path), finding.message + other)
