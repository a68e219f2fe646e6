"""The boards of the control room: one file each, in the order in which people come to them."""

from __future__ import annotations

from dashboards.board import Board
from dashboards.boards.elder_care import ELDER_CARE
from dashboards.boards.fire_gas import FIRE_GAS
from dashboards.boards.fleet import FLEET
from dashboards.boards.gateway import GATEWAY
from dashboards.boards.kiosks import KIOSKS
from dashboards.boards.poles import POLES
from dashboards.boards.response import RESPONSE
from dashboards.boards.security import SECURITY
from dashboards.boards.traffic import TRAFFIC
from dashboards.boards.wall import WALL
from dashboards.boards.waste import WASTE

BOARDS: tuple[Board, ...] = (
    WALL,
    RESPONSE,
    ELDER_CARE,
    SECURITY,
    FIRE_GAS,
    TRAFFIC,
    WASTE,
    KIOSKS,
    POLES,
    FLEET,
    GATEWAY,
)
