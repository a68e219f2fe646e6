"""How each part of the gateway is doing, gathered for /readyz, the console and the metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.announce.announcer import Announcer
from gateway.chronicle.health import ChronicleHealth
from gateway.clock import Clock
from gateway.decider.decider import Decider
from gateway.feed import Feed
from gateway.gear.bridges import Bridges
from gateway.gear.health import BridgeHealth
from gateway.health import Part
from gateway.intake import Intake
from gateway.journal.journal import Journal
from gateway.outbox.channels.dc09 import PathHealth
from gateway.outbox.modem.health import ModemHealth, ModemState
from gateway.outbox.sip.trunk import TrunkHealth
from gateway.outbox.worker import OutboxWorker
from gateway.store.writer import StoreWriter
from gateway.transports.broker import ManagedBroker
from gateway.transports.mqtt import MqttTransport
from gateway.transports.serial import SerialTransport
from gateway.transports.serial_health import LineState, PortHealth

log = logging.getLogger(__name__)

OVERDUE_S = 60.0
"""Something in the outbox that is overdue for longer makes it degraded."""
STALLED_S = 30.0
"""A part that has not been seen at work for so long hangs or has died."""
REPAIRED_SHOWN_MS = 24 * 3_600_000
"""A timer that the auditor had to set again is shown for so long."""
BACKLOG = 10_000
"""Undecided observations beyond which the decider is said to be behind."""


@dataclass(frozen=True, kw_only=True)
class Organs:
    """The parts of one gateway, to be looked at."""

    journal: Journal
    decider: Decider
    outbox: OutboxWorker
    writer: StoreWriter
    intake: Intake
    broker: ManagedBroker | None
    mqtt: MqttTransport
    lines: Sequence[SerialTransport]
    bridges: Bridges
    announcer: Announcer
    modems: Callable[[], Sequence[ModemHealth]]
    trunks: Callable[[], Sequence[TrunkHealth]]
    feed: Feed
    missing_secrets: Callable[[], Sequence[str]]
    outside: Callable[[], Sequence[PathHealth]] = tuple
    """The paths to alarm receiving centres."""
    chronicle: Callable[[], ChronicleHealth | None] = lambda: None
    clock: Clock


class Checkup:
    """Asks every part how it is."""

    def __init__(self, organs: Organs) -> None:
        self._organs = organs
        self._watchers: list[Callable[[], Part]] = []
        self._said: dict[str, str] = {}
        """What was last logged of a part that could not be asked."""

    def watched_by(self, watcher: Callable[[], Part]) -> None:
        """``watcher`` looks at the organs, and says how it is itself: a part like others, after them."""
        self._watchers.append(watcher)

    def parts(self) -> list[Part]:
        """The organs, and those who watch them."""
        return [*self.organs(), *(watcher() for watcher in self._watchers)]

    def organs(self) -> list[Part]:
        """Every organ, in the order of the way of the data. One that cannot even be asked has failed."""
        found: list[Part] = []
        for name, ask in (
            ("transports", self._transports),
            ("journal", self._journal_part),
            ("decider", self._decider_part),
            ("gateways", self._gateways_part),
            ("outbox", self._outbox_part),
            ("channels", self._channels_part),
            ("paths", self._paths),
            ("modems", self._modem_parts),
            ("trunks", self._trunk_parts),
            ("store", self._store_part),
            ("chronicle", self._chronicle_part),
        ):
            try:
                answer = ask()
                found += [answer] if isinstance(answer, Part) else answer
                self._said.pop(name, None)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                if self._said.get(name) != said:  # it is asked every few seconds
                    log.exception("%s cannot be asked how it is", name)
                self._said[name] = said
                found.append(
                    Part(
                        name=name,
                        state="failed",
                        critical=name not in ("store", "chronicle"),
                        zh=f"无法检查：{said}",
                        en=f"cannot be asked: {said}",
                    )
                )
        return found

    def _transports(self) -> Iterator[Part]:
        if self._organs.broker is not None:
            broker = self._organs.broker.health
            yield Part(
                name="broker",
                state="ok" if broker.running else "failed",
                critical=True,
                zh=broker.description if broker.running else f"消息服务器未运行：{broker.why}",
                en=broker.description if broker.running else f"the broker is not running: {broker.why}",
            )
        health = self._organs.mqtt.health
        for lane in (health.urgent, health.routine):
            stuck = lane.oldest_unanswered_s > STALLED_S
            zh = f"已连接（{lane.protocol}）" if lane.connected else f"未连接：{lane.why}"
            en = f"connected ({lane.protocol})" if lane.connected else f"not connected: {lane.why}"
            if stuck:
                zh += f"；日志 {lane.oldest_unanswered_s:.0f} 秒未答复，请检查磁盘"
                en += f"; the journal has not answered for {lane.oldest_unanswered_s:.0f} s: check the disk"
            yield Part(
                name=f"mqtt-{lane.name}",
                state="ok" if lane.connected and not stuck else "failed",
                critical=True,
                zh=zh,
                en=en,
                since_ms=lane.since_ms,
            )
        for transport in self._organs.lines:
            line = transport.health()
            yield _line_part(line, name=f"serial-{line.line}")
        for bridge in self._organs.bridges.health():
            yield _bridge_part(bridge)
        announcing = self._organs.announcer.health
        if announcing.bridge:
            yield Part(
                name="announcer",
                state="ok" if announcing.connected else "degraded",
                critical=False,
                zh=f"已发布 {announcing.published} 条" if announcing.connected else f"未连接：{announcing.why}",
                en=f"{announcing.published} published" if announcing.connected else f"not connected: {announcing.why}",
            )

    def _journal_part(self) -> Part:
        troubles = self._organs.journal.health()
        if troubles:
            said = "; ".join(str(trouble) for trouble in troubles)
            return Part(
                name="journal",
                state="failed" if any(trouble.part == "urgent" for trouble in troubles) else "degraded",
                critical=True,
                zh=f"日志不能写入，报警不会被确认，设备将重发：{said}",
                en=said,
                since_ms=min(trouble.since_ms for trouble in troubles),
            )
        stats = self._organs.journal.stats()
        free = stats.disk_free_bytes // 2**20
        return Part(name="journal", state="ok", critical=True, zh=f"正常，磁盘剩余 {free} MB", en=f"{free} MB free")

    def _decider_part(self) -> Part:
        health = self._organs.decider.health
        if health.trouble is not None:
            return Part(
                name="decider",
                state="failed",
                critical=True,
                zh=f"不能判断，报警保存在日志中，恢复后处理：{health.trouble}",
                en=f"cannot decide; alarms wait in the journal until this is mended: {health.trouble}",
                since_ms=health.trouble_since_ms,
            )
        stalled_s = self._organs.decider.stalled_s
        if stalled_s > STALLED_S:
            return Part(
                name="decider",
                state="failed",
                critical=True,
                zh=f"判断线程 {stalled_s:.0f} 秒无响应，请检查磁盘；必要时重启网关，报警保存在日志中",
                en=f"not seen at work for {stalled_s:.0f} s: check the disk, or restart the gateway; alarms wait in "
                "the journal",
            )
        lag = sum(lane.lag.get("decider", 0) for lane in self._organs.journal.stats().lanes.values())
        if not self._organs.decider.leads:
            lag = 0  # it keeps its distance from the gateway that leads
        zh, en = [f"待判断 {lag} 条"], [f"{lag} to decide"]
        if health.undecidable:
            zh.append(f"{health.undecidable} 条无法判断（见隔离区和日志）")
            en.append(f"{health.undecidable} undecidable (see quarantine and log)")
        if health.registry is not None:
            zh.append(f"新配置不可用，仍按上一版运行：{health.registry}")
            en.append(f"the newest registry cannot be used, the one before it is in force: {health.registry}")
        for said in health.left_out:
            zh.append(f"规则无法使用，已略过：{said}")
            en.append(f"a rule cannot be used and is left out: {said}")
        if health.repaired_ms is not None and self._organs.clock.now_ms() - health.repaired_ms < REPAIRED_SHOWN_MS:
            zh.append(f"自检修复定时 {health.repaired} 次，请报告")
            en.append(f"{health.repaired} lost timers were set again, please report it")
        return Part(
            name="decider",
            state="degraded" if lag > BACKLOG or len(en) > 1 else "ok",
            critical=True,
            zh="，".join(zh),
            en=", ".join(en),
        )

    def _gateways_part(self) -> list[Part]:
        """Of several gateways on one database: who leads, and who is not seen any more."""
        leadership = self._organs.decider.leadership
        if leadership is None or not (leadership.peers or leadership.missing):
            return []
        zh = "本网关为主" if leadership.leads else f"本网关备用，{leadership.leader} 为主"
        en = "this one leads" if leadership.leads else f"this one stands by, {leadership.leader} leads"
        if leadership.peers:
            zh += f"；在线：{'、'.join(leadership.peers)}"
            en += f"; there: {', '.join(leadership.peers)}"
        if leadership.missing:
            zh += f"；失联：{'、'.join(leadership.missing)}（已停用的请 anju gateways forget）"
            en += f"; not seen: {', '.join(leadership.missing)} (anju gateways forget, if it was taken out of service)"
        state = "degraded" if leadership.missing else "ok"
        return [Part(name="gateways", state=state, critical=False, zh=zh, en=en)]

    def _outbox_part(self) -> Part:
        health = self._organs.outbox.health()
        failing = sorted(name for name, channel in health.channels.items() if channel.failing)
        bad = health.database_error or health.oldest_due_s > OVERDUE_S or health.looked_s > STALLED_S
        said = f"{health.waiting} waiting, {health.in_flight} under way"
        if failing:
            said += "; failing: " + ", ".join(f"{name} ({health.channels[name].last_error})" for name in failing)
        if health.looked_s > STALLED_S:
            said += f"; not seen at work for {health.looked_s:.0f} s, check the disk"
        if health.database_error:
            said += f"; {health.database_error}"
        return Part(
            name="outbox",
            state="failed" if bad else "degraded" if failing else "ok",
            critical=True,
            zh=f"待发 {health.waiting}，发送中 {health.in_flight}"
            + (f"；受阻：{'、'.join(failing)}" if failing else ""),
            en=said,
        )

    def _channels_part(self) -> Part:
        missing = ", ".join(self._organs.missing_secrets())
        return Part(
            name="channels",
            state="failed" if missing else "ok",
            critical=False,  # alarms are taken in and decided; the console shows them
            zh=f"缺少密钥 {missing}，相关通知发不出去：写入环境变量或密钥目录" if missing else "密钥齐全",
            en=f"missing secrets: {missing}; what needs them reaches nobody: set them in the environment or secrets_dir"
            if missing
            else "every secret is there",
        )

    def _modem_parts(self) -> Iterator[Part]:
        for modem in self._organs.modems():
            yield _modem_part(modem)

    def _trunk_parts(self) -> Iterator[Part]:
        for trunk in self._organs.trunks():
            yield _trunk_part(trunk)

    def _paths(self) -> Iterator[Part]:
        for path in self._organs.outside():
            zh = {"up": "畅通", "untried": "尚未测试", "down": f"中断：{path.why}"}[path.state]
            en = {"up": "is there", "untried": "not tried yet", "down": f"does not answer: {path.why}"}[path.state]
            yield Part(
                name=f"path-{path.channel}",
                state="failed" if path.state == "down" else "ok",
                critical=False,  # people are told all the same
                zh=f"报警中心 {path.receiver} {zh}",
                en=f"alarm receiving centre {path.receiver} {en}",
                since_ms=path.since_ms,
            )

    def _store_part(self) -> Part:
        health = self._organs.writer.health()
        down = health.state == "unavailable"
        how = "不可用，数据保存在日志中" if down else "正常"
        return Part(
            name="store",
            state="degraded" if down else "ok",
            critical=False,  # what it cannot take stays in the journal
            zh=f"{health.store or '遥测库'}：{how}，待写 {health.lag_entries}",
            en=f"{health.store or 'store'}: {health.state}, {health.lag_entries} to write"
            + (f"; {health.last_error}; {health.what_to_do}" if down else ""),
            since_ms=health.since_ms,
        )

    def _chronicle_part(self) -> list[Part]:
        health = self._organs.chronicle()
        if health is None:
            return []
        down = health.state == "unavailable"
        zh, en = {
            "unavailable": ("写不进遥测库，恢复后补写", "cannot write into the store; it is made up for afterwards"),
            "standing_by": ("备用：由为主的网关写入", "stands by: the gateway that leads writes"),
            "catching_up": ("正在补写", "catching up"),
        }.get(health.state, ("正常", "ok"))
        return [
            Part(
                name="chronicle",
                state="degraded" if down or health.unreadable else "ok",
                critical=False,  # the wall is late; cases, calls and the console are not
                zh=f"{zh}，待写案卷 {health.behind}" + (f"，读不出 {health.unreadable}" if health.unreadable else ""),
                en=f"{en}, {health.behind} cases to write"
                + (f"; {health.unreadable} records cannot be read (see the log)" if health.unreadable else "")
                + (f"; {health.last_error}; {health.what_to_do}" if down else ""),
                since_ms=health.since_ms,
            )
        ]


def _trunk_part(trunk: TrunkHealth) -> Part:
    whole = trunk.up == len(trunk.lines) and trunk.registered is not False
    usable = trunk.up > 0 and trunk.registered is not False
    registered = "" if trunk.registered is None else "，已注册" if trunk.registered else "，未注册"
    registered_en = "" if trunk.registered is None else ", registered" if trunk.registered else ", not registered"
    why = f"：{trunk.why}" if trunk.why else ""
    why_en = f": {trunk.why}" if trunk.why else ""
    placed = sum(trunk.calls.values())
    return Part(
        name=f"sip-{trunk.name}",
        state="ok" if whole else "degraded" if usable else "failed",
        critical=False,
        zh=f"线路 {trunk.up}/{len(trunk.lines)}，空闲 {trunk.free}{registered}，通话 {placed}{why}",
        en=f"{trunk.up} of {len(trunk.lines)} lines up, {trunk.free} free{registered_en}, {placed} calls{why_en}",
    )


def _modem_part(modem: ModemHealth) -> Part:
    done = f"，通话 {modem.calls}，短信 {modem.sms_sent}"
    done_en = f"; {modem.calls} calls, {modem.sms_sent} SMS"
    if failed := modem.calls_failed + modem.sms_failed:
        done += f"，失败 {failed}"
        done_en += f", {failed} failed (last: {modem.last_error})"
    starting = modem.state in (ModemState.STARTING, ModemState.SEARCHING)
    return Part(
        name=f"modem-{modem.name}",
        state="ok" if modem.ready else "degraded" if starting else "failed",
        critical=False,  # others may carry it, and the console shows what nobody was told
        zh=modem.zh + done,
        en=modem.en + done_en,
        since_ms=modem.since_ms,
    )


def _line_part(line: PortHealth, *, name: str) -> Part:
    up = line.state is LineState.UP
    zh, _, en = line.reason.partition(" / ")
    return Part(
        name=name,
        state="ok" if up else "failed",
        critical=False,
        zh=f"{line.port} 正常，{line.devices} 台设备" if up else zh,
        en=f"{line.port} is up with {line.devices} devices" if up else en or zh,
        since_ms=line.since_ms,
    )


def _bridge_part(bridge: BridgeHealth) -> Part:
    if bridge.port is not None:
        return _line_part(bridge.port, name=f"bridge-{bridge.bridge}")
    lane, listener = bridge.lane, bridge.listener
    if listener is not None:
        told = ", ".join(f"{name} {count}" for name, count in sorted(listener.counts.items()))
        zh = f"监听 {listener.address}，已听到 {listener.accounts} 个账号" + (f"；{told}" if told else "")
        en = f"listening at {listener.address}, {listener.accounts} accounts heard" + (f"; {told}" if told else "")
    elif lane is None:
        zh = en = bridge.trouble
    elif not lane.connected:
        zh, en = f"未连接：{lane.why}", f"not connected: {lane.why}"
    elif lane.last_message_ms is None:
        zh, en = f"已连接，{bridge.profile} 尚无消息", f"connected; nothing from {bridge.profile} yet"
    else:
        zh, en = f"已连接（{bridge.profile}）", f"connected ({bridge.profile})"
    return Part(
        name=f"bridge-{bridge.bridge}",
        state="ok" if listener is not None or (lane is not None and lane.connected) else "failed",
        critical=False,
        zh=zh,
        en=en,
        since_ms=lane.since_ms if lane is not None else None,
    )
