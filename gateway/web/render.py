"""Templates, and how instants, spans and numbers are written for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from gateway.api import words
from gateway.api.context import Context
from gateway.api.rating import raters
from gateway.api.working import work_types
from gateway.cases.causes import CAUSES
from gateway.cases.wording import Words

STATIC = Path(__file__).parent / "static"

_environment = Environment(
    loader=PackageLoader("gateway.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals["words"] = words
_environment.globals["causes"] = CAUSES
_environment.filters["unit"] = words.unit


class Show:
    """How one answer writes time: the community's zone, and one instant that is now."""

    def __init__(self, context: Context) -> None:
        directory = context.directory()
        community = directory.community.community if directory is not None else None
        self.community_zh = community.name.zh if community is not None else "安居"
        self.community_en = community.name.en if community is not None else "Anju"
        self.zone = ZoneInfo(community.timezone) if community is not None else ZoneInfo("UTC")
        self.now_ms = context.clock.now_ms()
        self._today = self._local(self.now_ms).date()

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone)

    def time(self, at_ms: int) -> str:
        """``07:31:05``, with the day before it when it is not today's."""
        at = self._local(at_ms)
        return at.strftime("%H:%M:%S" if at.date() == self._today else "%m-%d %H:%M:%S")

    def minute(self, at_ms: int) -> str:
        """Local time; with the date unless it is today."""
        at = self._local(at_ms)
        return at.strftime("%H:%M" if at.date() == self._today else "%m-%d %H:%M")

    def mark(self, at_ms: int) -> str:
        """On an axis of time: the hour, and the day where one begins."""
        at = self._local(at_ms)
        return at.strftime("%H:%M" if at.hour or at.minute else "%m-%d")

    def full(self, at_ms: int) -> str:
        """With the date, always."""
        return self._local(at_ms).strftime("%Y-%m-%d %H:%M:%S")

    def day(self, at_ms: int) -> str:
        """Local date."""
        return self._local(at_ms).strftime("%Y-%m-%d")

    def since(self, at_ms: int) -> str:
        """How long ago that is."""
        return span(self.now_ms - at_ms)

    def ago(self, at_ms: int) -> Words:
        """How long ago, in words that need no reckoning."""
        minutes = max(0, self.now_ms - at_ms) // 60_000
        if minutes < 1:
            return Words("刚刚", "just now")
        if minutes < 120:
            return Words(f"{minutes} 分钟前", f"{minutes} min ago")
        hours = minutes // 60
        return (
            Words(f"{hours} 小时前", f"{hours} h ago")
            if hours < 48
            else Words(f"{hours // 24} 天前", f"{hours // 24} d ago")
        )

    def counting(self, at_ms: int, way: str) -> Markup:
        """A time that counts by itself in the browser: ``up`` from an instant, ``down`` to one."""
        shown = span(self.now_ms - at_ms if way == "up" else at_ms - self.now_ms)
        return Markup('<time class="count" data-{}="{}" title="{}">{}</time>').format(
            way, at_ms, self.full(at_ms), shown
        )


def span(ms: int) -> str:
    """A stretch of time as ``0:42``, ``12:05``, ``3:07:09`` or ``2天 2 d``; console.js counts in the same form."""
    seconds = max(0, ms // 1000)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days >= 2:
        return f"{days}天 {days} d"
    if hours:
        return f"{hours}:{minutes % 60:02}:{seconds % 60:02}"
    return f"{minutes}:{seconds % 60:02}"


def number(value: object) -> str:
    """A reading without a tail of zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, int | float) else str(value)


def both(pair: Words) -> Markup:
    """Chinese, and English beside it in small."""
    if pair.zh == pair.en:
        return escape(pair.zh)
    return Markup('{} <span class="en" lang="en">{}</span>').format(pair.zh, pair.en)


_environment.filters["number"] = number
_environment.filters["both"] = both
_environment.filters["id"] = lambda text: re.sub(r"[^A-Za-z0-9_-]", "-", str(text))


def page(request: Request, template: str, *, status: int = 200, **more: Any) -> HTMLResponse:
    """A template as an answer. The context is that of the application."""
    context: Context = request.app.state.context
    show = more.pop("show", None) or Show(context)
    choices = {"work_types": lambda: work_types(context), "raters": lambda: raters(context)}
    known = {"show": show, "path": request.url.path, **choices}
    html = _environment.get_template(template).render(**known, **more)
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})
