"""The boards of the control room: one file each, in the order in which people come to them."""

from __future__ import annotations

from dashboards.board import Board

BOARDS: tuple[Board, ...] = ()
