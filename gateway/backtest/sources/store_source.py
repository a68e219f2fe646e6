"""The telemetry store as history: values and events at the device's own times, as far as the store keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devices.kinds import KINDS
from devices.observation import Observation
from gateway.backtest.model import Note
from gateway.backtest.sources.history import Findings, HistoryError, Within
from gateway.backtest.sources.rows import KindOf, RowReader, Wrong
from gateway.store.past import Past
from gateway.store.protocol import StoreUnavailable

FIRST_STEP_MS = 60_000
LONGEST_STEP_MS = 86_400_000
ENOUGH = 20_000
"""A step that gives fewer rows makes the next one longer; five times as many, shorter."""


class StoreHistory:
    """A `History` over the telemetry store."""

    share_read = None

    def __init__(self, opened: Callable[[], Past], within: Within, kind_of: KindOf, now_ms: int) -> None:
        """``now_ms``: where the past ends, if nothing else is said."""
        self._opened = opened
        self._within = within
        self._kind_of = kind_of
        self._now_ms = now_ms
        self._rows = RowReader(kind_of)
        self._coarse = False
        self._name = "store"
        self.findings = Findings()

    @property
    def name(self) -> str:
        return self._name

    def observations(self) -> Iterator[Observation]:
        try:
            past = self._opened()
            try:
                self._name = f"store {past.name}"
                yield from self._walk(past)
            finally:
                past.close()
        except StoreUnavailable as error:
            said = f"the telemetry store cannot be read: {error}" + (f"; {error.hint}" if error.hint else "")
            raise HistoryError("遥测库读不出", said) from error
        except (KeyError, ValueError) as error:
            raise HistoryError("遥测库设置有误", str(error.args[0] if error.args else error)) from error

    def _walk(self, past: Past) -> Iterator[Observation]:
        begins_ms = past.begins_ms()
        if begins_ms is None:
            return
        within = self._within
        until_ms = self._now_ms if within.until_ms is None else within.until_ms
        at_ms = begins_ms if within.from_ms is None else max(within.from_ms, begins_ms)
        self._coarse = at_ms < past.coarse_before_ms()
        step_ms = FIRST_STEP_MS
        while at_ms <= until_ms:
            end_ms = min(at_ms + step_ms, until_ms + 1)
            self.findings.step()
            rows = past.between(at_ms, end_ms)
            for said in rows:
                self.findings.rows += 1
                kind = self._kind_of(said.device)
                if kind is None:
                    self.findings.left_out["unregistered"] += 1
                    continue
                known = KINDS[kind].metrics
                metrics = {name: value for name, value in said.metrics.items() if name in known}
                try:
                    yield self._rows.observation(said.device, kind, said.at_ms, said.event, metrics, said.at_ms)
                except Wrong:  # written when the id was another kind's, or by an older catalogue
                    self.findings.left_out["foreign"] += 1
            at_ms = end_ms
            if len(rows) < ENOUGH:
                step_ms = min(step_ms * 2, LONGEST_STEP_MS)
            elif len(rows) > 5 * ENOUGH:
                step_ms = max(step_ms // 2, 1000)

    def notes(self) -> list[Note]:
        notes = [
            Note(
                code="store_has_device_times",
                zh="遥测库只存设备时间：迟到的消息按其发生时间判断，不按到达时间；状态与附加数据、波形不在其中",
                en="the store holds the devices' own times: what came late is decided as if it had come in time; "
                "what messages carry beside values and events is not there",
            )
        ]
        if self._coarse:
            notes.append(
                Note(
                    code="store_is_coarse",
                    zh="较早的数据每分钟（更早每小时）只有一个值：读数次数与持续时间的条件可能不同于当时",
                    en="older values are one a minute (or an hour), the last of each: conditions over several readings "
                    "may have been decided otherwise then",
                )
            )
        for code, zh, en in (
            ("unregistered", "未登记设备的数据未采用", "rows of devices that are not in the registry were left out"),
            ("foreign", "与设备种类不符的数据未采用", "rows that do not fit their device's kind were left out"),
        ):
            if count := self.findings.left_out[code]:
                notes.append(Note(code=f"{code}_left_out", zh=f"{zh}：{count}", en=f"{count} {en}"))
        return notes
