"""Setting a modem up: what it is, whether its SIM may be used, what it is to report. Each step says what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.outbox.modem.at import Answer, Command
from gateway.outbox.modem.dialects import DIALECTS, Dialect, of_model
from gateway.outbox.modem.health import ModemState
from gateway.outbox.modem.link import AtLink
from gateway.settings import ModemSettings, Secrets

LEAST_TRIES = 2
"""With fewer tries left the PIN is not tried: the last one is a person's."""
SIM_ABSENT = frozenset({10, 13, 15})
SIM_BUSY = 14


class Trouble(Exception):
    """The modem cannot be used now: why, in both languages, and what to do."""

    def __init__(self, state: ModemState, zh: str, en: str) -> None:
        super().__init__(en)
        self.state = state
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a modem says of itself."""

    model: str
    dialect: Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Where it stands in the network."""

    registered: bool
    denied: bool
    operator: str
    signal_dbm: int | None


async def identify(link: AtLink, settings: ModemSettings) -> Known:
    """Echo off, errors by number, model and dialect. Raises Trouble, Silent, Lost."""
    await link.run(Command(text="ATE0"))
    await link.run(Command(text="AT+CMEE=1"))
    model = " ".join((await link.run(Command(text="AT+CGMM", bare=True, info=("+CGMM:",)))).lines)
    if settings.dialect != "auto":
        return Known(model=model or "?", dialect=DIALECTS[settings.dialect])
    said = f"{model} {' '.join((await link.run(Command(text='ATI', bare=True))).lines)}"
    dialect = of_model(said)
    if dialect is None:
        known = ", ".join(DIALECTS)
        raise Trouble(
            ModemState.FAULT,
            f"不认识型号 {said.strip()!r}：请在 modems[].dialect 中指定（{known}）",
            f"unknown model {said.strip()!r}: set modems[].dialect ({known})",
        )
    return Known(model=(model or said).strip(), dialect=dialect)


async def unlock(link: AtLink, known: Known, settings: ModemSettings, secrets: Secrets, refused: set[str]) -> str:
    """The SIM's IMSI, once it is ready. ``refused`` keeps PINs that were wrong: none is tried twice. Raises Trouble."""
    answer = await link.run(Command(text="AT+CPIN?", info=("+CPIN:",), timeout_s=10))
    said = answer.first if answer.ok else ""
    if said == "SIM PIN":
        await _enter_pin(link, known, settings, secrets, refused)
        answer = await link.run(Command(text="AT+CPIN?", info=("+CPIN:",), timeout_s=10))
        said = answer.first if answer.ok else ""
    if said == "READY":
        imsi = await link.run(Command(text="AT+CIMI", bare=True))
        if not imsi.ok or not re.fullmatch(r"\d{6,15}", imsi.first):
            raise Trouble(ModemState.STARTING, "SIM 卡尚未就绪", "the SIM is not ready yet")
        return imsi.first
    if said in ("SIM PUK", "SIM PUK2"):
        raise Trouble(
            ModemState.PUK,
            "SIM 卡被锁（PUK）：请取出放入手机，用 PUK 解锁后装回",
            "the SIM is locked (PUK): take it out, unlock it in a telephone, put it back",
        )
    if said == "SIM PIN":
        raise Trouble(ModemState.PIN, "SIM 卡仍要求 PIN", "the SIM still wants its PIN")
    if said in ("NOT INSERTED", "NOT READY") or answer.error[1] in SIM_ABSENT or "SIM not inserted" in answer.final:
        raise Trouble(ModemState.NO_SIM, "未检测到 SIM 卡：请检查卡座", "no SIM: check that it is in its holder")
    if answer.error[1] == SIM_BUSY:
        raise Trouble(ModemState.STARTING, "SIM 卡忙", "the SIM is busy")
    raise Trouble(
        ModemState.FAULT, f"SIM 卡状态 {said or answer.final}", f"the SIM cannot be used: {said or answer.final}"
    )


async def _enter_pin(link: AtLink, known: Known, settings: ModemSettings, secrets: Secrets, refused: set[str]) -> None:
    name = settings.pin_secret
    if name is None:
        raise Trouble(
            ModemState.PIN,
            "SIM 卡要求 PIN：请设置 modems[].pin_secret，或在手机上关闭 PIN",
            "the SIM wants a PIN: set modems[].pin_secret, or switch the PIN off in a telephone",
        )
    try:
        pin = secrets.get(name)
    except (KeyError, OSError) as error:
        raise Trouble(ModemState.PIN, f"缺少 PIN 密钥 {name}", str(error.args[0])) from None
    if not re.fullmatch(r"\d{4,8}", pin):
        raise Trouble(ModemState.PIN, f"密钥 {name} 不是 4 到 8 位数字", f"secret {name}: expected 4 to 8 digits")
    left = await _tries(link, known.dialect)
    if pin in refused or (left is not None and left < LEAST_TRIES):
        tries = "" if left is None else f"，剩余 {left} 次"
        tries_en = "" if left is None else f", {left} tries left"
        raise Trouble(
            ModemState.PIN,
            f"PIN 错误{tries}：请更正密钥 {name}（剩余次数少时请在手机上解锁）",
            f"the PIN is wrong{tries_en}: correct secret {name} (with few tries left, unlock it in a telephone)",
        )
    answer = await link.run(Command(text=f'AT+CPIN="{pin}"', secret=True, timeout_s=10))
    if not answer.ok and answer.error[1] != SIM_BUSY:
        refused.add(pin)


async def _tries(link: AtLink, dialect: Dialect) -> int | None:
    if not dialect.pin_tries:
        return None
    answer = await link.run(Command(text=dialect.pin_tries, info=("+SPIC:", "+QPINC:")))
    found = re.search(r"\d+", answer.first.replace('"SC"', "")) if answer.ok else None
    return int(found[0]) if found else None


async def configure(link: AtLink, dialect: Dialect) -> tuple[int | None, int | None]:
    """PDU mode, what is to be reported, no call left over. How many SMS lie on the SIM, and how many it holds."""
    for text in ("AT+CMGF=0", "AT+CNMI=2,1,0,1,0"):
        answer = await link.run(Command(text=text, timeout_s=10))
        if not answer.ok:
            if answer.error[1] in (SIM_BUSY, 314, 515, 521):
                raise Trouble(ModemState.STARTING, "短信功能尚未就绪", "SMS is not ready yet")
            raise Trouble(ModemState.FAULT, f"{text} 被拒绝：{answer.final}", f"{text} was refused: {answer.final}")
    storage = await link.run(Command(text='AT+CPMS="SM","SM","SM"', info=("+CPMS:",), timeout_s=10))
    for text in ("AT+CREG=1", "AT+CEREG=1", "AT+CLIP=1", *dialect.init):
        await link.run(Command(text=text, info=("+CREG:", "+CEREG:")))  # one that it does not know is passed over
    if (await link.run(Command(text="AT+CLCC", info=("+CLCC:",)))).lines:
        await link.run(Command(text="AT+CHUP"))  # of an earlier life: nobody stands at this end of it
    return counted(storage)


def counted(storage: Answer) -> tuple[int | None, int | None]:
    """``+CPMS: 3,20,…`` as used and total."""
    found = re.match(r"(?:\"\w+\",)?(\d+),(\d+)", storage.first) if storage.ok else None
    return (int(found[1]), int(found[2])) if found else (None, None)


async def network(link: AtLink) -> Network:
    """Registration for calls (CREG) or LTE (CEREG), signal, operator. Raises Silent, Lost."""
    states = []
    for text, prefix in (("AT+CREG?", "+CREG:"), ("AT+CEREG?", "+CEREG:")):
        answer = await link.run(Command(text=text, info=(prefix,)))
        found = re.match(r"\d,(\d)", answer.first) if answer.ok else None
        if found:
            states.append(int(found[1]))
    signal = await link.run(Command(text="AT+CSQ", info=("+CSQ:",)))
    level = re.match(r"(\d+),", signal.first) if signal.ok else None
    dbm = None
    if level and int(level[1]) <= 31:
        dbm = -113 + 2 * int(level[1])
    registered = any(state in (1, 5) for state in states)
    operator = ""
    if registered:
        named = await link.run(Command(text="AT+COPS?", info=("+COPS:",), timeout_s=10))
        quoted = re.search(r'"([^"]*)"', named.first) if named.ok else None
        operator = quoted[1] if quoted else ""
    return Network(registered=registered, denied=3 in states and not registered, operator=operator, signal_dbm=dbm)
