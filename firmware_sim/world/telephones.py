"""The telephones of the simulated world: one modem on a tty, and everybody it calls or writes to.

Whoever is called takes it, hears it twice and presses nothing; an SMS is read. ``GET /phones`` shows who got what, and
``POST /phones/<number>/sms`` answers for them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from firmware_sim.telephony.modem import SimModem
from firmware_sim.telephony.network import Network, bare
from firmware_sim.telephony.phone import Phone, Voice

MODEM_NUMBER = "+8613900000001"


class Telephones:
    """A network in which every number that is used belongs to somebody."""

    def __init__(self, modem: Path) -> None:
        self._tty = modem
        self.network = Network(stranger=self._somebody)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SimModem]:
        """With the modem plugged in. To be used in the event loop."""
        async with SimModem(self.network, self._tty, MODEM_NUMBER, "sim7600") as modem:
            yield modem

    def routes(self) -> list[Route]:
        """Their doors, for the simulated world's server."""
        return [
            Route("/phones", self._all, methods=["GET"]),
            Route("/phones/{number}/sms", self._write, methods=["POST"]),
        ]

    def _somebody(self, number: str) -> Phone:
        return Phone(name=number, number=number, network=self.network, habit=lambda: Voice(""))

    async def _all(self, request: Request) -> Response:
        return JSONResponse(
            [
                {"number": phone.number, "sms": [text for _, text in phone.inbox], "calls": phone.calls}
                for phone in self.network.phones.values()
            ]
        )

    async def _write(self, request: Request) -> Response:
        phone = self.network.phones.get(bare(request.path_params["number"]))
        text = (await request.body()).decode("utf-8", errors="replace").strip()
        if phone is None:
            return JSONResponse({"error": "nobody was called or written to at this number"}, status_code=404)
        if not text:
            return JSONResponse({"error": "expected the text of the SMS as the body"}, status_code=422)
        phone.writes(MODEM_NUMBER, text)
        return Response(status_code=204)
