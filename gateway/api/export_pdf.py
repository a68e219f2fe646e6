"""The export of a case as a PDF that a court or an insurer can read: what happened, who was told when and by which way,
who answered, on what evidence, and the hashes by which it is checked. Made from the export document alone.

Fonts are embedded (Noto Sans SC), so that it looks the same everywhere.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import resources
from zoneinfo import ZoneInfo

from fpdf import FPDF, FPDFException
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace
from PIL import Image

from gateway.api.export import Export, ExportedSaid
from gateway.api.words import (
    OUTBOX_STATES,
    RESULTS,
    SEVERITIES,
    accepted,
    channel,
    line_was_drill,
    purpose,
    words,
)
from gateway.cases.wording import LINE_STATES, STAGES
from gateway.record.files import Files

FONT = "NotoSansSC"
FONT_FILE = "NotoSansSC-Regular.otf"
_GREY, _LINE, _HEAD = (95, 95, 95), (190, 190, 190), (238, 240, 242)
_PIECES = re.compile(r"[^\W\u2e80-\uffef]+[.,:;%)/-]*|\s+|.", re.DOTALL)
"""What is not torn apart at the end of a line: a word of letters and figures; of Chinese each character."""
_TIMES = (
    ("triggered", "触发", "triggered"),
    ("received", "收到", "received"),
    ("raised", "立案", "raised"),
    ("notified", "首次送达", "first told"),
    ("answered", "受理", "answered"),
    ("dispatched", "派遣", "dispatched"),
    ("arrived", "到场", "arrived"),
    ("line_answered", "急救线路应答", "emergency line answered"),
    ("resolved", "处置完成", "resolved"),
    ("verified", "核查", "verified"),
    ("closed", "结案或撤销", "closed or cancelled"),
)
_QUIET = ("evidence", "person", "channel", "purpose")


def as_pdf(document: Export, files: Files) -> bytes:
    """The document as PDF; ``files`` holds its photos."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    return _Paper(document, files).made()


class _Paper(FPDF):
    def __init__(self, document: Export, files: Files) -> None:
        super().__init__(format="A4")
        self._of = document
        self._files = files
        self._zone = ZoneInfo(document.community["timezone"])
        self._names = document.names
        self.set_margins(14, 16, 14)
        self.set_auto_page_break(True, margin=16)
        with resources.as_file(resources.files("pylopdf_fonts_zh_cn") / FONT_FILE) as path:
            self.add_font(FONT, "", path)
        self.set_title(f"案卷 {document.case.number}")
        self.set_creator("安居 Anju")
        self.set_lang("zh-CN")
        self.set_creation_date(self._local(document.exported_at_ms))

    def made(self) -> bytes:
        self.add_page()
        for part in (self._head, self._facts, self._told, self._timeline, self._evidence, self._added, self._proof):
            part()
        return bytes(self.output())

    # every page

    def header(self) -> None:
        self._grey(8)
        self.cell(0, 5, f"{self._of.community['zh']}  案卷 case {self._of.case.number}")
        if self._drill:
            self.set_text_color(180, 0, 0)
            self.cell(0, 5, "演练 DRILL", align="R")
        self.ln(8)

    def footer(self) -> None:
        self.set_y(-12)
        self._grey(8)
        made = self._instant(self._of.exported_at_ms)
        self.cell(0, 5, f"导出 exported {made}  {self._of.by}")
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")

    # its parts

    @property
    def _drill(self) -> bool:
        return self._of.case.drill

    @property
    def _line_drill(self) -> bool:
        return line_was_drill(self._of.case, ((line.what, line.data) for line in self._of.timeline), "live")

    def _head(self) -> None:
        case, about = self._of.case, self._of.about
        self._black(18)
        self._text(f"案卷 {case.number}  {about.type_zh}", 9)
        self._grey(10)
        self._text(f"{about.type_en} · record of a case, exported from Anju 安居 at {self._of.community['en']}", 5)
        self.ln(3)

    def _facts(self) -> None:
        case, about = self._of.case, self._of.about
        line = LINE_STATES.get(case.emergency.state)
        rows: list[tuple[str, str]] = [
            ("案卷编号 number", f"{case.number}（{case.id}）"),
            ("事由 what", f"{about.type_zh} {about.type_en}"),
            ("级别 severity", _both(words(SEVERITIES, case.severity.value))),
            ("状态 stage", f"{STAGES[case.stage].zh} {STAGES[case.stage].en}"),
            ("当事人 resident", about.resident),
            ("地点 place", f"{about.place_zh}\n{about.place_en}"),
            ("坐标 position", self._position()),
            ("受理人 owner", self._who(case.owner or "")),
            ("情况 explanation", "\n".join([*(zh for zh, _ in case.said), case.explanation]).strip()),
            (
                f"急救线路 {case.emergency.number or '120'}",
                f"{line.zh} {line.en}" if line and case.emergency.number else "",
            ),
        ]
        self._title("一、基本情况 facts")
        self._table((1, 3), None, [row for row in rows if row[1]])
        self.ln(2)
        raised = case.times["raised"]
        times = [
            (f"{zh} {en}", self._instant(case.times[key]), _after(case.times[key] - raised))
            for key, zh, en in _TIMES
            if key in case.times
        ]
        self._table((2, 3, 2), ("时刻 instant", "时间 time", "立案后 after it was raised"), times)

    def _position(self) -> str:
        at = self._of.about.position
        if at is None:
            return ""
        return f"{at.lat:.6f}, {at.lon:.6f} ({at.datum}; {self._of.about.position_of})"

    def _told(self) -> None:
        self._title("二、何时经何途径通知何人 who was told, when and by which way")
        rows = [self._said(row) for row in self._of.said]
        head = ("时间 time", "对象 to", "途径 by", "事由 why", "结果 result", "每次尝试 each attempt")
        self._table((3.2, 2.6, 2.6, 2.6, 2, 6), head, rows)

    def _said(self, row: ExportedSaid) -> tuple[str, ...]:
        tries = []
        for one in row.tries:
            took = "" if one.ended_at_ms is None else f"（{(one.ended_at_ms - one.started_at_ms) / 1000:.1f} s）"
            how = words(RESULTS, one.result or "进行中 under way").zh
            said = f"{one.attempt}. {self._instant(one.started_at_ms)} {how}{took} {accepted(one.detail or '')}"
            tries.append(said.strip())
        to = self._who(f"person:{row.person}") if row.person else row.to
        return (
            self._instant(row.created_at_ms),
            to,
            f"{channel(row.channel, drill=self._line_drill).zh} {row.to if row.person else ''}".strip(),
            purpose(row.purpose, drill=self._line_drill).zh,
            words(OUTBOX_STATES, row.status).zh,
            "\n".join(tries) or "尚未尝试 not tried",
        )

    def _timeline(self) -> None:
        self._title("三、经过 timeline")
        rows = []
        for line in self._of.timeline:
            facts = [line.reason, *self._data(line.data if line.what != "attached" else _file_of(line.data))]
            rows.append(
                (
                    str(line.seq),
                    self._instant(line.at_ms),
                    f"{line.zh}\n{line.en}",
                    self._who(line.actor),
                    "\n".join(filter(None, facts)),
                    line.hash[:12],
                )
            )
        head = ("序", "时间 time", "事项 what", "谁 who", "说明 why and facts", "散列 hash")
        self._table((0.8, 3, 3.4, 2.6, 6, 2.2), head, rows)

    def _data(self, data: dict[str, object]) -> Iterator[str]:
        if data.get("person"):
            by = f"（{channel(str(data['channel'])).zh}）" if data.get("channel") else ""
            yield self._who(f"person:{data['person']}") + by
        for key, value in data.items():
            if key in _QUIET or value in (None, "", [], {}):
                continue
            if key == "people" and isinstance(value, list):
                yield "、".join(self._who(f"person:{one}") for one in value)
            elif isinstance(value, str | int | float):
                said = self._who(value) if isinstance(value, str) else value
                yield f"{key}: {self._instant(value) if key.endswith('_ms') and isinstance(value, int) else said}"

    def _evidence(self) -> None:
        self._title("四、依据 evidence")
        for alarm in self._of.alarms:
            self._black(9)
            ended = "" if alarm.cleared_at_ms is None else f"，解除 ended {self._instant(alarm.cleared_at_ms)}"
            self._text(
                f"{alarm.explanation or alarm.type}（规则 rule {alarm.rule} v{alarm.rule_version}；"
                f"发生 observed {self._instant(alarm.observed_at_ms)}{ended}；又 {alarm.repeats} 次 repeated）",
                5,
            )
            rows = [self._observed(one) for one in alarm.evidence]
            head = ("设备 device", "发生 observed", "收到 received", "事件与数值 event, values", "报文 message")
            self._table((2.4, 3, 3, 4, 4), head, rows)
            self.ln(2)
        if not self._of.alarms:
            self._grey(9)
            self._text("无报警：由人上报 no alarm: people reported it", 5)

    def _observed(self, one: dict[str, object]) -> tuple[str, ...]:
        metrics = one.get("metrics")
        values = metrics.items() if isinstance(metrics, dict) else ()
        said = " ".join([str(one.get("event") or ""), *(f"{key} {value}" for key, value in values)]).strip()
        at = [
            self._instant(ms) if isinstance(ms := one.get(key), int) else ""
            for key in ("observed_at_ms", "received_at_ms")
        ]
        return (str(one.get("device", "")), *at, said, str(one.get("message_id", "")))

    def _added(self) -> None:
        self._title("五、附件 attachments")
        rows = []
        for number, one in enumerate(self._of.attachments, 1):
            if one.kind == "clip":
                stretch = f"{self._instant(one.from_ms or 0)} – {self._instant(one.until_ms or 0)}"
                what = f"{one.camera} {one.gb28181 or ''} {stretch}"
            else:
                where = f" {one.position.lat:.6f}, {one.position.lon:.6f}" if one.position else ""
                what = f"{one.media_type} {one.bytes} B{where}\nSHA-256 {one.sha256}"
            kind = {"photo": "照片 photo", "voice": "录音 voice", "clip": "录像 recording"}[one.kind]
            rows.append((str(number), self._instant(one.at_ms), kind, one.name, what, self._who(one.actor)))
        head = ("序", "时间 time", "类别 kind", "名称 name", "内容 what", "谁 who")
        self._table((0.8, 3, 2.2, 3, 7, 2.4), head, rows)
        for number, one in enumerate(self._of.attachments, 1):
            if one.kind == "photo" and one.sha256 is not None:
                self._photo(number, one.sha256)

    def _photo(self, number: int, sha256: str) -> None:
        try:
            with Image.open(io.BytesIO(self._files.get(sha256))) as image:
                image.thumbnail((1400, 1400))
                small = image.convert("RGB")
        except (OSError, ValueError, FPDFException) as error:
            self._grey(8)
            self._text(f"附件 {number} 无法显示 cannot be shown: {error}", 5)
            return
        height = min(90.0, 120 * small.height / small.width)
        if self.will_page_break(height + 8):
            self.add_page()
        self.ln(2)
        self._grey(8)
        self._text(f"附件 attachment {number}", 5)
        self.image(small, h=height)
        self.ln(2)

    def _proof(self) -> None:
        verdict, anchor = self._of.verdict, self._of.anchor
        self._title("六、完整性 integrity")
        before = (
            f"（前 {verdict.before} 条写于启用散列链之前 written before there was a chain）" if verdict.before else ""
        )
        rows = [
            ("校验 verified", f"{verdict.zh} {verdict.en}"),
            ("条数 lines", f"{verdict.lines}{before}"),
            ("链头 chain head (SHA-256)", verdict.head),
        ]
        if anchor is not None:
            rows.append(("锚点 anchor", f"{anchor.number}  {self._instant(anchor.at_ms)}  {anchor.digest}"))
        self._table((1, 3), None, rows)
        self.ln(1)
        self._grey(8)
        self._text(
            "每条经过的散列包含前一条的散列；事后的任何改动都会显露。"
            "同一案卷的 JSON 导出可离线校验：anju cases verify --file。"
            "Each line's hash holds that of the line before: whatever is changed afterwards shows. The JSON export of "
            "the same case can be verified offline: anju cases verify --file.",
            4.5,
        )

    # pieces

    def _title(self, text: str) -> None:
        self.ln(4)
        if self.will_page_break(24):
            self.add_page()
        self._black(12)
        self._text(text, 8)

    def _text(self, text: str, height: float) -> None:
        self.multi_cell(
            0, height, self._wrapped(text, self.epw - 2 * self.c_margin), new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )

    def _table(self, widths: Sequence[float], head: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> None:
        if not rows:
            self._grey(9)
            self._text("无 none", 5)
            return
        self._black(8)
        self.set_draw_color(*_LINE)
        total = sum(widths)
        room = [self.epw * width / total - 3 for width in widths]
        with self.table(
            col_widths=tuple(widths),
            line_height=4.2,
            padding=0.8,
            text_align="LEFT",
            first_row_as_headings=head is not None,
            headings_style=FontFace(fill_color=_HEAD, color=(40, 40, 40)),
            repeat_headings=1 if head is not None else 0,
        ) as table:
            for cells in ([head] if head is not None else []) + list(rows):
                row = table.row()
                for width, cell in zip(room, cells, strict=True):
                    row.cell(self._wrapped(cell, width))

    def _wrapped(self, text: str, width: float) -> str:
        """Lines that fit: broken between Chinese characters or between words, where the library knows only spaces."""
        lines: list[str] = []
        for paragraph in _printable(text).split("\n"):
            line, used = "", 0.0
            for piece in _PIECES.findall(paragraph):
                takes = self.get_string_width(piece)
                while takes > width:  # longer than a line: a hash
                    fits = max(1, int(len(piece) * (width - used) / takes) - 1) if used < width * 0.6 else 0
                    lines.append(line + piece[:fits])
                    line, used, piece = "", 0.0, piece[fits:]
                    takes = self.get_string_width(piece)
                if used + takes > width:
                    lines.append(line.rstrip())
                    line, used = "", 0.0
                    piece = piece.lstrip()
                    takes = self.get_string_width(piece)
                line, used = line + piece, used + takes
            lines.append(line)
        return "\n".join(lines)

    def _who(self, actor: str) -> str:
        kind, _, name = actor.partition(":")
        if not name:
            return {"system": "系统 system"}.get(actor, actor)
        if kind == "person":
            return self._names.get(name, name)
        return {"operator": f"值班员 {name}", "device": f"设备 {name}", "rule": f"规则 {name}"}.get(kind, actor)

    def _local(self, at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone)

    def _instant(self, at_ms: int) -> str:
        return self._local(at_ms).strftime("%Y-%m-%d %H:%M:%S")

    def _black(self, size: float) -> None:
        self.set_font(FONT, size=size)
        self.set_text_color(20, 20, 20)

    def _grey(self, size: float) -> None:
        self.set_font(FONT, size=size)
        self.set_text_color(*_GREY)


def _both(pair: tuple[str, str]) -> str:
    return f"{pair[0]} {pair[1]}"


def _file_of(data: dict[str, object]) -> dict[str, object]:
    """Of an attachment the timeline shows what it is checked by; the rest stands in the list of attachments."""
    return {key: data[key] for key in ("id", "sha256", "camera", "from_ms", "until_ms") if key in data}


def _after(ms: int) -> str:
    seconds = abs(ms) // 1000
    sign = "-" if ms < 0 else "+"
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _printable(text: str) -> str:
    return "".join(character if character == "\n" or character.isprintable() else " " for character in text)
