"""The simulated world as one HTTP application."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from firmware_sim.world.centre import Centre
from firmware_sim.world.inbox import Inbox
from firmware_sim.world.telephones import Telephones


class World:
    """A 120 centre and everybody's messengers. ``app`` serves both; the parts can be read directly in tests."""

    def __init__(
        self, *, centre_token: str | None = None, inbox_file: Path | None = None, telephones: Telephones | None = None
    ) -> None:
        self.centre = Centre(token=centre_token)
        self.inbox = Inbox(file=inbox_file)
        self.app = Starlette(
            routes=[
                *self.centre.routes(),
                *self.inbox.routes(),
                *(telephones.routes() if telephones is not None else ()),
            ],
            exception_handlers={ClientDisconnect: _hung_up},
        )


def _hung_up(_request: Request, _error: Exception) -> Response:
    """The caller died before it had said everything: nobody hears this answer, and nothing was taken."""
    return Response(status_code=400)
