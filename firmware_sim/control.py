"""The hand of a test or of the demo inside a running fleet: HTTP on the loopback interface or a Unix socket."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from firmware_sim.device import ActionError
from firmware_sim.fleet import Fleet


def control_app(fleet: Fleet) -> Starlette:
    """``GET /fleet``, ``GET /devices[?kind=…&resident=…]``, ``GET /devices/ID``, ``POST /devices/ID/ACTION`` with
    arguments as a JSON object; answers with the device's state."""

    async def totals(request: Request) -> Response:
        return JSONResponse(dict(fleet.totals()))

    async def devices(request: Request) -> Response:
        kind, resident = request.query_params.get("kind"), request.query_params.get("resident")
        return JSONResponse(
            [
                {"id": device.id, "kind": device.kind_key, "resident": device.setting.resident}
                for device in fleet.devices.values()
                if kind in (None, device.kind_key) and resident in (None, device.setting.resident)
            ]
        )

    async def device(request: Request) -> Response:
        try:
            return JSONResponse(fleet.state(request.path_params["device"]))
        except ActionError as error:
            return JSONResponse({"error": str(error)}, status_code=404)

    async def act(request: Request) -> Response:
        device_id, action = request.path_params["device"], request.path_params["action"]
        try:
            args = await request.json() if await request.body() else {}
        except (ValueError, RecursionError):
            args = None
        if not isinstance(args, dict):
            return JSONResponse({"error": "body: expected a JSON object with the action's arguments"}, status_code=422)
        if device_id not in fleet.devices:
            return JSONResponse({"error": f"{device_id}: no such device in this fleet"}, status_code=404)
        try:
            fleet.act(device_id, action, args)
        except ActionError as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        return JSONResponse(fleet.state(device_id))

    return Starlette(
        routes=[
            Route("/fleet", totals, methods=["GET"]),
            Route("/devices", devices, methods=["GET"]),
            Route("/devices/{device}", device, methods=["GET"]),
            Route("/devices/{device}/{action}", act, methods=["POST"]),
        ]
    )
