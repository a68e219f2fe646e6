"""SCAIP: what a unit asks becomes what its devices say, by message type, status and the kind of the device."""

from __future__ import annotations

import pytest

from devices.observation import Refusal
from devices.profiles.scaip import SCAIP
from devices.scaip import Answered, answer, read, reference_in, status_of
from tests.support.gear import Bench, device

CID = "+861065001001"


def mrq(**tags: str) -> str:
    known = {"ref": "1", "cid": CID, "dty": "0003", "did": "d1", **tags}
    return "<mrq>" + "".join(f"<{tag}>{value}</{tag}>" for tag, value in known.items() if value) + "</mrq>"


def bench(kind: str = "sos_button", part: str = "d1") -> Bench:
    return Bench(SCAIP, device(f"{CID}#{part}", kind, id="it"), device(CID, "concentrator", id="unit"))


def said(heard: object, device: str = "it") -> list[str]:
    return [one.event for one in heard.observations if one.device == device and one.event not in (None, "online")]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("mty", "stc", "dty", "events"),
    [
        ("ME", "0010", "0003", ["press"]),
        ("", "10", "3", ["press"]),
        ("ME", "", "0004", ["press"]),
        ("ME", "0000", "0007", ["press"]),
        ("ME", "9999", "0003", ["press"]),  # an alarm by a code of tomorrow is an alarm
        ("ME", "0009", "0005", ["fall"]),
        ("ME", "0019", "0003", ["cancel"]),
        ("RE", "0093", "0003", ["cancel"]),
        ("RE", "", "0003", ["cancel"]),
        ("IN", "0070", "0003", []),
        ("IN", "0010", "0003", []),
        ("PI", "0010", "0003", []),
        ("ME", "0016", "0003", ["low_battery"]),
        ("IN", "0125", "0003", ["tamper"]),
        ("IN", "0123", "0003", ["offline"]),
    ],
)
def test_what_a_trigger_says(mty: str, stc: str, dty: str, events: list[str]) -> None:
    assert said(bench().hear("", mrq(mty=mty, stc=stc, dty=dty))) == events


@pytest.mark.parametrize(
    ("kind", "on", "off", "events"),
    [
        ("smoke", "0009", "0094", ["smoke", "smoke_cleared"]),
        ("heat", "0126", "0070", ["heat", "heat_cleared"]),
        ("gas", "0009", "0092", ["gas", "gas_cleared"]),
        ("co", "0009", "0094", ["co", "co_cleared"]),
        ("leak", "0079", "0094", ["leak", "leak_cleared"]),
        ("contact", "0076", "0021", ["opened", "closed"]),
        ("motion", "0119", "0070", ["motion", "motion_cleared"]),
    ],
)
def test_what_a_sensor_says_and_takes_back(kind: str, on: str, off: str, events: list[str]) -> None:
    unit = bench(kind)
    first = said(unit.hear("", mrq(mty="ME", stc=on, dty="0023")))
    again = said(unit.hear("", mrq(mty="ME", stc=on, dty="0023")))
    over = said(unit.hear("", mrq(mty="RE", stc=off, dty="0023")))
    assert [*first, *again, *over] == events


@pytest.mark.parametrize(
    ("stc", "events"), [("0085", ["power_lost"]), ("0042", ["fault"]), ("0016", ["low_battery"]), ("0102", [])]
)
def test_what_a_unit_says_of_itself(stc: str, events: list[str]) -> None:
    assert said(bench().hear("", mrq(mty="IN", stc=stc, dty="0002", did="")), "unit") == events


def test_a_heartbeat_is_a_word_of_life_of_the_unit_now_and_then() -> None:
    unit = bench()
    for after_ms, written in ((5000, 1), (5000, 1), (60_000, 1)):
        heard = unit.hear("", mrq(mty="PI", dty="0002", did=""), after_ms=after_ms)
        assert len([one for one in heard.observations if one.device == "unit"]) == written


def test_what_belongs_to_the_message_is_kept_with_it() -> None:
    text = mrq(mty="ME", stc="0010", pri="2", lco="021", lte="厨房", crd="sip:1001@10.0.0.5", dte="Anhänger")
    (press,) = [one for one in bench().hear("", text).observations if one.event == "press"]
    assert press.data["where"] == "kitchen"
    assert (press.data["lte"], press.data["pri"], press.data["dte"]) == ("厨房", 2, "Anhänger")
    assert press.data["crd"] == "sip:1001@10.0.0.5"


def test_the_same_reference_is_one_message_and_a_unit_may_say_two_things_by_one() -> None:
    unit = bench()
    assert said(unit.hear("abc-1", mrq(mty="ME", stc="0010"))) == ["press"]
    assert said(unit.hear("abc-1", mrq(mty="ME", stc="0010"))) == []
    assert said(unit.hear("abd-1", mrq(mty="RE", stc="0093"))) == ["cancel"]


def test_strangers_and_their_devices_are_announced_with_the_kind_they_are_of() -> None:
    assert bench().hear("", mrq(cid="other")).announced[0].address == "other"
    (found,) = bench().hear("", mrq(did="d9", dty="0023", mty="ME", dte="flur")).announced
    assert (found.address, found.kind, found.name, found.heard) == (f"{CID}#d9", "smoke", "flur", True)


def test_an_alarm_that_its_device_cannot_say_is_refused_and_named() -> None:
    (fault,) = bench("concentrator", "d1").hear("", mrq(mty="ME", stc="0010")).faults
    assert (fault.reason, fault.field, fault.device) == ("unknown_event", "stc", "it")


@pytest.mark.parametrize(
    ("text", "reason", "field", "status"),
    [
        ("<mrq>", "malformed", "mrq", Answered.INVALID_FORMAT),
        ("<mrs/>", "malformed", "mrq", Answered.INVALID_FORMAT),
        (mrq(dty=""), "missing", "dty", Answered.TAG_MISSING),
        (mrq(cid=""), "missing", "cid", Answered.TAG_MISSING),
        (mrq(cid="a#b"), "out_of_range", "cid", Answered.WRONG_CONTENT),
        (mrq(did="a b"), "out_of_range", "did", Answered.WRONG_CONTENT),
        (mrq(mty="me"), "out_of_range", "mty", Answered.WRONG_CONTENT),
        (mrq(stc="x"), "out_of_range", "stc", Answered.WRONG_CONTENT),
        (mrq(pri="x"), "out_of_range", "pri", Answered.WRONG_CONTENT),
        ("x" * 1_100_000, "oversize", "mrq", Answered.TOO_LONG),
    ],
)
def test_what_cannot_be_read(text: str, reason: str, field: str, status: Answered) -> None:
    with pytest.raises(Refusal) as found:
        read(text.encode())
    assert (found.value.reason, found.value.field) == (reason, field)
    assert status_of(found.value) is status


def test_answers() -> None:
    made = answer("a<b", Answered.NOT_TREATED, "nobody & nothing").decode()
    assert "<ref>a&lt;b</ref><snu>5</snu><ste>nobody &amp; nothing</ste><mre>0</mre>" in made
    assert reference_in(b"<mrq><ref> r-1 </ref><cid>") == "r-1"
    assert reference_in(b"<mrq><ref><x/></ref>") == ""
