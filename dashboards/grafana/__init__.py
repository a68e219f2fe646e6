"""Boards as Grafana's dashboard JSON. Needs grafana-foundation-sdk (extra ``dev``): the gateway never imports this."""

from __future__ import annotations
