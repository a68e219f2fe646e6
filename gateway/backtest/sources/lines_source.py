"""A file of InfluxDB line protocol as history, as docs/telemetry.md writes it: also what InfluxDB exports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from devices.observation import Observation
from gateway.backtest.model import Note
from gateway.backtest.sources.history import Findings, Within
from gateway.backtest.sources.ordering import in_order
from gateway.backtest.sources.rows import KindOf, Reading, RowReader, Wrong, number, plausible
from gateway.store.line_protocol import EVENT, WAVEFORM

_UNESCAPED = {symbol: re.compile(rf"(?<!\\){symbol}") for symbol in ", ="}
_ESCAPE = re.compile(r"\\([,= ])")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


class LinesHistory:
    """A `History` over a file of line protocol, in any order of lines."""

    def __init__(self, path: Path, within: Within, kind_of: KindOf) -> None:
        self.findings = Findings()
        self._file = Reading(path, self.findings)
        self._within = within
        self._rows = RowReader(kind_of)
        self._series: dict[str, tuple[str, dict[str, str]]] = {}

    @property
    def name(self) -> str:
        return f"line-protocol {self._file.path}"

    @property
    def share_read(self) -> float | None:
        return self._file.share

    def notes(self) -> list[Note]:
        strips = self.findings.left_out["waveform"]
        if not strips:
            return []
        return [
            Note(
                code="waveforms_left_out",
                zh=f"波形不参与规则判断，未读入 {strips} 点",
                en=f"rules do not look at waveforms: {strips} samples were left out",
            )
        ]

    def observations(self) -> Iterator[Observation]:
        return in_order(self._read())

    def _read(self) -> Iterator[Observation]:
        within, findings = self._within, self.findings
        with self._file.lines() as lines:
            for line_number, text in enumerate(lines, 1):
                line = text.strip()
                if not line or line.startswith("#"):
                    continue
                findings.rows += 1
                try:
                    observation = self._observation(line)
                except Wrong as wrong:
                    findings.wrong(line_number, wrong.column, wrong.found, wrong.expected)
                    continue
                if observation is None:
                    findings.left_out["waveform"] += 1
                elif observation.received_at_ms in within:
                    yield observation

    def _observation(self, line: str) -> Observation | None:
        series, fields, time = _parts(line)
        measurement, tags = self._key(series)
        if measurement == WAVEFORM:
            return None
        at_ms = plausible("timestamp", time, _nanoseconds(time) // 1_000_000, "nanoseconds since the epoch")
        device = tags.get("device", "")
        if measurement == EVENT:
            event = tags.get("event", "")
            if not event:
                raise Wrong("event", "", "the tag event: event,device=…,event=press,kind=… value=1")
            kind = self._rows.kind(device, tags.get("kind", ""))
            return self._rows.observation(device, kind, at_ms, event, {}, at_ms)
        try:
            kind = self._rows.kind(device, measurement)
        except Wrong as wrong:
            column = "measurement" if wrong.column == "kind" else "tag device"
            raise Wrong(column, wrong.found, wrong.expected) from None
        return self._rows.observation(device, kind, at_ms, None, _values(fields), at_ms)

    def _key(self, series: str) -> tuple[str, dict[str, str]]:
        found = self._series.get(series)
        if found is None:
            measurement, *pairs = (part for part in _UNESCAPED[","].split(series))
            tags = {}
            for pair in pairs:
                key, *value = _UNESCAPED["="].split(pair)
                if len(value) != 1:
                    raise Wrong("tags", pair, "key=value")
                tags[_bare(key)] = _bare(value[0])
            found = self._series[series] = _bare(measurement), tags
            if len(self._series) > 100_000:
                self._series.clear()
        return found


def _parts(line: str) -> tuple[str, str, str]:
    """Series, fields and timestamp. Raises Wrong."""
    if "\\" not in line and '"' not in line:
        parts = line.split(" ")
    else:
        kept = _QUOTED.sub(lambda quoted: quoted[0].replace(" ", "\\ "), line)
        parts = _UNESCAPED[" "].split(kept)
    if len(parts) == 2:
        raise Wrong("timestamp", "", "a timestamp in nanoseconds at the end of the line")
    if len(parts) != 3:
        raise Wrong("", line, "measurement,tag=value field=value timestamp")
    return parts[0], parts[1], parts[2]


def _nanoseconds(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Wrong("timestamp", text, "nanoseconds since the epoch, a whole number") from None


def _values(fields: str) -> dict[str, float]:
    values = {}
    for pair in fields.split(",") if "\\" not in fields and '"' not in fields else _UNESCAPED[","].split(fields):
        key, equals, value = pair.partition("=")
        if not equals:
            raise Wrong("fields", pair, "field=value")
        values[_bare(key)] = number(_bare(key), value[:-1] if value[-1:] in "iu" else value)
    return values


def _bare(text: str) -> str:
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text
