"""Numbers of boards as people read them: Grafana's names of units, so that both show the same."""

from __future__ import annotations

_SUFFIX = {
    "percent": " %",
    "conmmolL": " mmol/L",
    "ppm": " ppm",
    "s": " s",
    "ms": " ms",
    "celsius": " °C",
    "velocitykmh": " km/h",
    "dBm": " dBm",
    "bytes": " B",
    "short": "",
    "none": "",
    "": "",
}
_SPANS = ((86_400 * 365.0, "年 y"), (86_400.0, "天 d"), (3_600.0, "h"), (60.0, "min"))


def shown(value: float | str | None, unit: str, decimals: int | None = None) -> str:
    """A value with its unit; texts as they are, nothing as a dash. Seconds become minutes, hours and days."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if unit in ("s", "dtdurations", "clocks"):
        for size, name in _SPANS:
            if abs(value) >= size:
                return f"{_rounded(value / size, 1 if decimals is None else decimals)} {name}"
    if unit == "percentunit":
        return f"{_rounded(100 * value, decimals)} %"
    if unit in ("short", "none", "") and value == int(value):
        decimals = 0  # a count beside a share has no tenths
    suffix = _SUFFIX.get(unit)
    if suffix is None:
        suffix = f" {unit.removeprefix('suffix:')}"
    return f"{_rounded(value, decimals)}{suffix}"


def _rounded(value: float, decimals: int | None) -> str:
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 else 1 if size >= 10 else 2
        return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:,.0f}"
    return f"{value:,.{decimals}f}"
