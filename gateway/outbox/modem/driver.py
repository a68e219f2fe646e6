"""One modem: kept alive, set up again after whatever happens to it, and used for calls and SMS.

`run` is its life. Nothing raised by a modem leaves this file but as a word: a call is `NOT_PLACED` or `UNKNOWN`, an SMS
RETRY or UNKNOWN, and the health says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from gateway.clock import Clock
from gateway.outbox.channel import Result, Speaks, always
from gateway.outbox.modem import pdu, setup
from gateway.outbox.modem.at import Command, Urc
from gateway.outbox.modem.calls import Call, Sound
from gateway.outbox.modem.dialects import Dialect
from gateway.outbox.modem.health import ModemHealth, ModemState
from gateway.outbox.modem.link import AtLink, Lost, Silent
from gateway.outbox.modem.mailbox import Mailbox
from gateway.outbox.modem.pdu import StatusReport, Submit
from gateway.outbox.modem.sending import Handed, hand_over
from gateway.outbox.modem.setup import Trouble
from gateway.outbox.modem.timing import Timing
from gateway.outbox.speech import NoSpeech, Speech, duration_s
from gateway.outbox.voice import Called, CallEnd, Words
from gateway.registry.check_numbers import is_emergency
from gateway.settings import ModemSettings, Secrets

log = logging.getLogger(__name__)

_RESTARTED = ("RDY", "+CFUN: 1", "NORMAL POWER DOWN", "POWERED DOWN", "UNDER-VOLTAGE POWER DOWN")
_SIM_MOVED = ("+CPIN:", "+SIMCARD:", "+QSIMSTAT:", "+CSMINS:", "+CREG:", "+CEREG:", "+CGREG:")
_WHOLE_NUMBER = re.compile(r"\+?[0-9*#]{2,20}")


class Modem:
    """Make it, then `run` it as a task; the other methods may be called by any task of the loop."""

    def __init__(
        self,
        settings: ModemSettings,
        secrets: Secrets,
        speech: Speech,
        clock: Clock,
        *,
        on_message: Callable[[Mailbox], Awaitable[None]],
        on_report: Callable[[str, StatusReport], Awaitable[None]],
        timing: Timing | None = None,
    ) -> None:
        """``on_message`` is given the SIM when there may be something on it; ``on_report`` the SIM and a report."""
        self.settings = settings
        self._secrets = secrets
        self._speech = speech
        self._clock = clock
        self._on_message = on_message
        self._on_report = on_report
        self._timing = timing or Timing()
        self._link: AtLink | None = None
        self._dialect: Dialect | None = None
        self._call: Call | None = None
        self._line = asyncio.Lock()
        """One call at a time."""
        self._sending = asyncio.Lock()
        self._sent_at: deque[int] = deque()
        self._wake = asyncio.Event()
        self._restarted = False
        self._ringing = False
        self._refused_pins: set[str] = set()
        self._sim = ""
        self._mailbox: Mailbox | None = None
        self._reports: asyncio.Queue[StatusReport] = asyncio.Queue()
        self._sounds: set[str] = set()
        """Files that lie in the modem."""
        self._health = ModemHealth(
            name=settings.name,
            port=settings.port,
            state=ModemState.STARTING,
            zh="正在启动",
            en="starting",
            since_ms=clock.now_ms(),
        )

    @property
    def name(self) -> str:
        """As the settings call it."""
        return self.settings.name

    @property
    def health(self) -> ModemHealth:
        """How it is at this moment."""
        box = self._mailbox
        return self._health.model_copy(
            update={
                "calling": self._line.locked(),
                "noise": self._link.noise if self._link is not None else self._health.noise,
                "stored": box.used if box is not None else None,
                "room": box.room if box is not None else None,
            }
        )

    @property
    def free(self) -> bool:
        """Whether a call can begin now."""
        return self._health.ready and not self._line.locked()

    # its life

    async def run(self) -> None:
        """Until cancelled: open, set up, look after; after a fault from the start again."""
        pause = self._timing.retry
        while True:
            link = AtLink(
                self.settings.port, self.settings.baud, self._urc, patience=self._timing.command / Timing().command
            )
            was_ready = False
            try:
                self._link = link
                await link.open()
                await self._session(link)
            except Lost as error:
                was_ready = self._health.ready
                self._become(ModemState.ABSENT, f"串口不可用：{error}", f"the tty cannot be used: {error}")
                pause = self._timing.reopen
            except Silent as error:
                was_ready = self._health.ready
                self._become(ModemState.SILENT, f"无响应，正在复位：{error}", f"it hangs and is being reset: {error}")
                await self._reset(link)
            except Trouble as trouble:
                self._become(trouble.state, trouble.zh, trouble.en)
            except Exception as error:  # a modem's life must outlive our own mistakes
                log.exception("modem %s", self.name)
                self._become(ModemState.FAULT, f"驱动故障：{error}", f"a fault of the driver: {error!r}")
            finally:
                self._health = self._health.model_copy(update={"noise": link.noise})
                self._link, self._mailbox = None, None
                await link.close()
            if was_ready:
                pause = min(pause, self._timing.retry)
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._timing.retry_max)

    async def _session(self, link: AtLink) -> None:
        known = await setup.identify(link, self.settings)
        self._dialect = known.dialect
        self._sounds.clear()
        self._restarted = False
        self._health = self._health.model_copy(update={"model": known.model, "dialect": known.dialect.name})
        post = asyncio.create_task(self._post(), name=f"modem {self.name} post")
        try:
            while not self._restarted:
                self._wake.clear()
                try:
                    await self._look(link, known)
                except Trouble as trouble:
                    self._mailbox = None
                    self._become(trouble.state, trouble.zh, trouble.en)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._timing.look):
                        await self._wake.wait()
                if link.lost.is_set():
                    raise Lost(f"{self.settings.port} is gone")
                if self._ringing:
                    await self._turn_away(link)
            self._become(ModemState.STARTING, "模块自行重启", "it has restarted by itself")
        finally:
            post.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await post

    async def _look(self, link: AtLink, known: setup.Known) -> None:
        """SIM, settings where they are due, network. Raises Trouble, Silent, Lost."""
        sim = await setup.unlock(link, known, self.settings, self._secrets, self._refused_pins)
        if self._mailbox is None or sim != self._sim:
            used, room = await setup.configure(link, known.dialect)
            self._sim = sim
            self._mailbox = Mailbox(link, sim, used, room)
            self._mailbox.everything = True
        stands = await setup.network(link)
        self._health = self._health.model_copy(
            update={"sim": sim[-4:], "operator": stands.operator, "signal_dbm": stands.signal_dbm}
        )
        if stands.denied:
            self._become(
                ModemState.DENIED,
                "网络拒绝此 SIM 卡：请检查是否停机",
                "the network refuses this SIM: check its contract",
            )
        elif not stands.registered:
            self._become(ModemState.SEARCHING, "正在搜索网络：请检查天线", "no network yet: check the antenna")
        else:
            signal = "" if stands.signal_dbm is None else f" {stands.signal_dbm} dBm"
            self._become(
                ModemState.READY,
                f"已驻网 {stands.operator}{signal}（{known.model}）",
                f"registered with {stands.operator or 'the network'}{signal} ({known.model})",
            )

    async def _post(self) -> None:
        """Delivery reports and incoming SMS, as long as the session lasts."""
        while True:
            try:
                while not self._reports.empty():
                    await self._on_report(self._sim, self._reports.get_nowait())
                box = self._mailbox
                if box is not None:
                    await self._on_message(box)
            except (Silent, Lost):
                self._wake.set()  # the session finds out for itself
            except Exception:
                log.exception("modem %s: what came in could not be handled; it stays on the SIM", self.name)
            await asyncio.sleep(self._timing.poll)

    async def _reset(self, link: AtLink) -> None:
        """What helps a modem that hangs: a restart by command; then the tty is opened anew."""
        self._health = self._health.model_copy(update={"resets": self._health.resets + 1})
        link.shout("AT+CFUN=1,1")
        settle = self._dialect.settle_s if self._dialect is not None else 10.0
        await asyncio.sleep(settle * self._timing.settle)

    async def _turn_away(self, link: AtLink) -> None:
        """Somebody rings the modem: nobody sits at it, and the line has to stay free."""
        self._ringing = False
        if not self._line.locked():
            await link.run(Command(text="AT+CHUP"))

    def _urc(self, urc: Urc) -> None:
        line = urc.line
        if line.startswith(("+CDS:", "+CMT:")) and urc.pdu:
            self._incoming(urc.pdu)
        elif line.startswith(("+CMTI:", "+CDSI:")):
            found = re.search(r",(\d+)", line)
            if found and self._mailbox is not None:
                self._mailbox.arrived.add(int(found[1]))
        elif line.startswith(_RESTARTED):
            self._restarted = self._health.state is not ModemState.STARTING
            self._wake.set()
        elif line == "RING" or line.startswith("+CLIP:"):
            self._ringing = True
            self._wake.set()
        elif line.startswith(_SIM_MOVED):
            if line.startswith(("+CPIN: NOT", "+SIMCARD: NOT")):
                self._become(ModemState.NO_SIM, "SIM 卡被拔出", "the SIM was taken out")
            self._wake.set()
        elif self._call is not None:
            self._call.heard(line)

    def _incoming(self, text: str) -> None:
        try:
            found = pdu.read(text)
        except pdu.PduError as error:
            log.warning("modem %s: an SMS that cannot be read (%s): %s", self.name, error, text[:400])
            return
        if isinstance(found, StatusReport):
            self._reports.put_nowait(found)
        elif self._mailbox is not None:
            self._mailbox.flashed.append(found)

    def _become(self, state: ModemState, zh: str, en: str) -> None:
        before = self._health
        if (state, en) == (before.state, before.en):
            return
        changes: dict[str, object] = {"state": state, "zh": zh, "en": en}
        if state is not before.state:
            changes["since_ms"] = self._clock.now_ms()
            level = logging.INFO if state is ModemState.READY else logging.WARNING
            log.log(level, "modem %s: %s", self.name, en)
        if state is not ModemState.READY:
            changes |= {"last_error": en, "operator": "", "signal_dbm": None}
        self._health = before.model_copy(update=changes)

    def _doubt(self) -> None:
        """Something went unanswered: the session is to look at once, and resets a modem that hangs."""
        self._wake.set()

    # calls

    async def call(
        self, number: str, words: Words, *, timeout_s: float, emergency: bool = False, speaks: Speaks = always
    ) -> Called:
        """One call; see `Caller`. ``emergency`` only for the line whose work that is."""
        number = re.sub(r"[ \-().]", "", number)
        if not _WHOLE_NUMBER.fullmatch(number) or (is_emergency(number) and not emergency):
            return Called(end=CallEnd.UNREACHABLE, detail=f"不是可拨的号码 no number that is called: {number[:20]!r}")
        link, dialect = self._link, self._dialect
        if link is None or dialect is None or not self.free:
            return Called(end=CallEnd.NOT_PLACED, detail=f"{self.name}: {self._health.en}")
        async with self._line:
            try:
                sound = await self._sound(link, dialect, words)
            except (NoSpeech, Silent, Lost) as error:
                self._fail(call=True, why=str(error))
                self._doubt()
                return Called(end=CallEnd.NOT_PLACED, detail=f"{self.name}: {error}")
            call = Call(link, dialect, self._timing, number, words, sound, speaks)
            self._call = call
            self._health = self._health.model_copy(update={"calls": self._health.calls + 1})
            called = await self._place(call, timeout_s)
        if called.end in (CallEnd.NOT_PLACED, CallEnd.UNKNOWN):
            self._fail(call=True, why=called.detail)
        return called.model_copy(update={"detail": f"{self.name}: {called.detail}"})

    async def _place(self, call: Call, timeout_s: float) -> Called:
        try:
            async with asyncio.timeout(timeout_s):
                return await call.place()
        except TimeoutError:
            heard = f"，按键 keys {call.keys}" if call.keys else ""
            return Called(end=CallEnd.UNKNOWN, keys=call.keys, detail=f"{timeout_s:g} 秒后挂断 cut off{heard}")
        except (Silent, Lost) as error:
            self._doubt()
            end = CallEnd.UNKNOWN if call.rang else CallEnd.NOT_PLACED
            return Called(end=end, keys=call.keys, detail=f"模块中断 the modem failed in the call: {error}")
        finally:
            ending = asyncio.create_task(self._end(call))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                await ending
                raise

    async def _end(self, call: Call) -> None:
        try:
            async with asyncio.timeout(self._timing.hang_up):
                await call.hang_up()
        except (Silent, Lost, TimeoutError):
            self._doubt()
        finally:
            self._call = None

    async def _sound(self, link: AtLink, dialect: Dialect, words: Words) -> Sound | None:
        """The words as a file in the modem; None where it has a voice of its own. Raises NoSpeech, Silent, Lost."""
        how = self.settings.audio
        if how == "tts" or (how == "auto" and dialect.voice is not None):
            if dialect.voice is None:
                raise NoSpeech(f"{dialect.name} 没有语音合成 has no voice of its own: set audio: file")
            return None
        if dialect.files is None:
            raise NoSpeech(f"{dialect.name} 不能播放文件 cannot play files: set audio: tts")
        wav = await self._speech.wav(words.text, words.language)
        name = f"anju{hashlib.sha256(wav).hexdigest()[:8]}.wav"
        if name not in self._sounds:
            patience = self._timing.command / Timing().command
            answer = await link.run(
                Command(
                    text=dialect.files.upload.format(name=name, size=len(wav)),
                    info=("+QFUPL:",),
                    payload=wav,
                    timeout_s=self._timing.upload / patience,
                )
            )
            already = answer.error[1] == 407  # Quectel: the file exists
            if not answer.ok and not already:
                raise NoSpeech(f"语音文件无法上传 the modem does not take the file: {answer.final}")
            self._sounds.add(name)
        return Sound(name, duration_s(wav))

    # SMS

    async def send(self, submits: Sequence[Submit], *, urgent: bool, speaks: Speaks = always) -> Handed:
        """Give every part to the centre. What is not urgent keeps to `sms_per_minute`."""
        link = self._link
        if link is None or not self._health.ready:
            return Handed(result=Result.RETRY, detail=f"{self.name}: {self._health.en}")
        now_ms = self._clock.now_ms()
        while self._sent_at and not 0 <= now_ms - self._sent_at[0] < 60_000:
            self._sent_at.popleft()
        if not urgent and len(self._sent_at) + len(submits) > max(self.settings.sms_per_minute, len(submits)):
            most = self.settings.sms_per_minute
            return Handed(result=Result.RETRY, detail=f"{self.name}: 每分钟限 {most} 条 at most {most} SMS a minute")
        self._sent_at += [now_ms] * len(submits)
        async with self._sending:
            handed = await hand_over(link, submits, self._sim, self._timing, speaks)
        if handed.result is Result.UNKNOWN:
            self._doubt()
        if handed.result is Result.SENT:
            self._health = self._health.model_copy(update={"sms_sent": self._health.sms_sent + len(submits)})
        else:
            self._fail(call=False, why=handed.detail)
        return handed.model_copy(update={"detail": f"{self.name}: {handed.detail}"})

    def received(self) -> None:
        """One more SMS was handed in."""
        self._health = self._health.model_copy(update={"sms_received": self._health.sms_received + 1})

    def _fail(self, *, call: bool, why: str) -> None:
        what = "calls_failed" if call else "sms_failed"
        count = getattr(self._health, what) + 1
        self._health = self._health.model_copy(update={what: count, "last_error": why})
