"""XML as foreign gear sends it: read without trust by expat. No document type, no entities, bounded depth and count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from devices.observation import Refusal

MAX_BYTES = 1_048_576
MAX_DEPTH = 40
MAX_ELEMENTS = 5000
_SEPARATOR = "\n"
"""Between namespace and name: neither can hold it."""


@dataclass(slots=True)
class Element:
    """One element, by its local name: makers change their namespaces with every generation of firmware."""

    name: str
    namespace: str
    attributes: Mapping[str, str]
    """By local name."""
    namespaces: Mapping[str, str]
    """Prefix → namespace, as declared at this element or above: texts may use them (a topic)."""
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own text, without that of its children."""
        return "".join(self.pieces).strip()

    def first(self, *path: str) -> Element | None:
        """The first element below by local names; None where there is none."""
        found: Element | None = self
        for name in path:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def said(self, *path: str) -> str:
        """The text of `first`; empty where there is none."""
        found = self.first(*path)
        return found.text if found is not None else ""

    def every(self, name: str) -> Iterator[Element]:
        """Every element of this name, however deep."""
        stack = [self]
        while stack:
            element = stack.pop()
            if element.name == name:
                yield element
            stack.extend(reversed(element.children))


class _Refused(Exception):
    """What the document must not hold."""


class _Reader:
    """Builds the tree; raises `_Refused` from within expat."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._stack: list[Element] = []
        self._count = 0
        self._declared: dict[str, str] = {}

    def doctype(self, *_: object) -> None:
        raise _Refused("it has a document type; gear that reports events needs none")

    def declare(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise _Refused(f"it has more than {MAX_ELEMENTS} elements")
        if len(self._stack) >= MAX_DEPTH:
            raise _Refused(f"it is nested deeper than {MAX_DEPTH}")
        above = self._stack[-1].namespaces if self._stack else {}
        known = {**above, **self._declared} if self._declared else above
        self._declared = {}
        namespace, _, local = name.rpartition(_SEPARATOR)
        own = {key.rpartition(_SEPARATOR)[2]: value for key, value in attributes.items()}
        element = Element(local, namespace, own, known)
        if self._stack:
            self._stack[-1].children.append(element)
        else:
            self.root = element
        self._stack.append(element)

    def end(self, name: str) -> None:
        self._stack.pop()

    def characters(self, text: str) -> None:
        self._stack[-1].pieces.append(text)


def xml_element(payload: bytes, what: str = "payload") -> Element:
    """The root element of ``payload``. Raises Refusal."""
    if len(payload) > MAX_BYTES:
        raise Refusal(
            "oversize", field=what, expected=f"at most {MAX_BYTES} bytes", hint=f"got {len(payload)} bytes; split it"
        )
    reader = _Reader()
    try:
        parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = reader.doctype
        parser.EntityDeclHandler = reader.doctype
        parser.StartNamespaceDeclHandler = reader.declare
        parser.StartElementHandler = reader.start
        parser.EndElementHandler = reader.end
        parser.CharacterDataHandler = reader.characters
        parser.Parse(payload.strip(), True)
    except _Refused as refused:
        raise _malformed(what, str(refused)) from None
    except (expat.ExpatError, ValueError, LookupError) as error:  # the latter two: an encoding that nobody knows
        raise _malformed(what, f"{error}"[:200]) from None
    if reader.root is None:
        raise _malformed(what, "there is no element")
    return reader.root


def _malformed(what: str, problem: str) -> Refusal:
    return Refusal("malformed", field=what, expected="well-formed XML", hint=problem)
