"""The boards of the control room: one file each, in the order in which people come to them."""

from __future__ import annotations

from dashboards.board import Board
from dashboards.boards.elder_care import ELDER_CARE
from dashboards.boards.fleet import FLEET
from dashboards.boards.gateway import GATEWAY
from dashboards.boards.response import RESPONSE
from dashboards.boards.wall import WALL

BOARDS: tuple[Board, ...] = (
    WALL,
    RESPONSE,
    ELDER_CARE,
    FLEET,
    GATEWAY,
)
