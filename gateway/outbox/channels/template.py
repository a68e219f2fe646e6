"""URLs of channels: ``{to}`` is the address, ``${NAME}`` a secret. Both are percent-encoded where they are put in."""

from __future__ import annotations

import re
from urllib.parse import quote

from gateway.settings import Secrets

_HOLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}|\{to\}")


class Template:
    """A URL with holes. Secrets are read at every use, so that one that is set right works at once."""

    def __init__(self, text: str, secrets: Secrets) -> None:
        self._text = text
        self._secrets = secrets

    def fill(self, to: str = "") -> str:
        """The URL. Raises KeyError, with what to do, for a missing secret."""
        return _HOLE.sub(
            lambda hole: quote(self._secrets.get(hole[1]) if hole[1] else to, safe=""),
            self._text,
        )

    @property
    def names(self) -> list[str]:
        """The secrets that it needs."""
        return [hole[1] for hole in _HOLE.finditer(self._text) if hole[1]]

    def hide(self, text: str) -> str:
        """``text`` with every secret of this URL starred out, for timelines and logs."""
        for hole in _HOLE.finditer(self._text):
            if hole[1]:
                try:
                    secret = self._secrets.get(hole[1])
                except KeyError:
                    continue
                if secret:
                    text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
        return text
