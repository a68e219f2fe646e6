"""What simulated modems of different makers say differently, byte by byte as their manuals print it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One make of modem."""

    name: str
    cgmm: str
    ati: tuple[str, ...]
    ready: tuple[str, ...]
    """What it says by itself when it has started."""
    cpin_absent: str = "+CME ERROR: 10"
    sim_out: str = "+CPIN: NOT READY"
    dtmf_on: str
    dtmf: str
    """``{key}`` or ``{code}``."""
    says_alerting: str = ""
    says_answered: str = ""
    says_ended: str = ""
    tries: str = "SPIC"
    known: frozenset[str]
    """Commands beyond the common ones."""
    cereg: bool = True


SIM800 = Model(
    name="sim800",
    cgmm="SIMCOM_SIM800L",
    ati=("SIM800 R14.18",),
    ready=("RDY", "+CFUN: 1", "+CPIN: READY", "Call Ready", "SMS Ready"),
    dtmf_on="DDET",
    dtmf="+DTMF: {key}",
    says_alerting="MO RING",
    says_answered="MO CONNECTED",
    known=frozenset({"DDET", "CTTS", "CTTSPARAM", "MORING", "CLTS", "SPIC"}),
    cereg=False,
)
SIM7600 = Model(
    name="sim7600",
    cgmm="SIMCOM_SIM7600CE-T",
    ati=("Manufacturer: SIMCOM INCORPORATED", "Model: SIMCOM_SIM7600CE-T", "Revision: LE11B12SIM7600CE"),
    ready=("RDY", "+CPIN: READY", "SMS DONE", "PB DONE"),
    cpin_absent="+CME ERROR: SIM not inserted",
    sim_out="+SIMCARD: NOT AVAILABLE",
    dtmf_on="DDET",
    dtmf="+RXDTMF: {key}",
    says_answered="VOICE CALL: BEGIN",
    says_ended="VOICE CALL: END: 000012",
    known=frozenset({"DDET", "CTTS", "CTTSPARAM", "CDTAM", "SPIC", "CFTRANRX", "CCMXPLAYWAV", "CCMXSTOPWAV", "CLCC="}),
)
EC20 = Model(
    name="ec20",
    cgmm="EC20F",
    ati=("Quectel", "EC20F", "Revision: EC20CEFAGR06A06M4G"),
    ready=("RDY", "+CFUN: 1", "+CPIN: READY", "+QUSIM: 1", "+QIND: SMS DONE", "+QIND: PB DONE"),
    dtmf_on="QTONEDET",
    dtmf="+QTONEDET: {code}",
    tries="QPINC",
    known=frozenset({"QTONEDET", "QWTTS", "QFUPL", "QPSND", "QURCCFG", "QINDCFG", "QPINC"}),
)
MODELS = {model.name: model for model in (SIM800, SIM7600, EC20)}
