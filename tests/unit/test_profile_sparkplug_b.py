"""Sparkplug B: what its messages become.

The literal payloads were written by Google's protobuf library 7.36 from the schema in chapter 6 of the Eclipse
Sparkplug 3.0.0 specification; the rules of sessions and numbers are those of its chapters 5 and 6.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.messages import Incoming
from devices.gear.protowire import WireError, bytes_field, double_field, fields, float_field, varint_field
from devices.native import Command
from devices.observation import Lane, Refusal
from devices.profiles.sparkplug_b import REBIRTH_EVERY_MS, SPARKPLUG_B
from devices.profiles.sparkplug_payload import MAX_METRICS, Metric, decode, encode_command
from tests.support.gear import START_MS, Bench, Book, Heard, device

# bdSeq 7; Node Control/Rebirth; Properties/Hardware Make, with a property set.
NBIRTH = bytes.fromhex(
    "0888ffc1a28c3412120a0562645365711888ffc1a28c342004580712210a144e6f646520436f6e74726f6c2f526562697274681888ffc1a28c34"
    "200b700012410a1850726f706572746965732f4861726477617265204d616b651888ffc1a28c34200c4a130a07656e67556e69741208080c4204"
    "6e6f6e657a074f70746f2032321800"
)
# temperature (Float) 1, Inputs/Door (Boolean) 2, Battery (UInt8) 3, Offset (Int16, -5) 4, Total (Int64) 5, Name
# (String) 6, Nothing (null) 7, and a template Motor with a Speed of 1480.25.
DBIRTH = bytes.fromhex(
    "0888ffc1a28c34121d0a0b74656d706572617475726510011888ffc1a28c342009650000ac41121a0a0b496e707574732f446f6f721002188"
    "8ffc1a28c34200b700012160a074261747465727910031888ffc1a28c342005505712190a064f666673657410041888ffc1a28c34200250fb"
    "ffffff0f121d0a05546f74616c10051888ffc1a28c34200458eccb9b8bb4fcffffff0112190a044e616d6510061888ffc1a28c34200c7a06e"
    "4b89ce997a812160a074e6f7468696e6710071888ffc1a28c34200a3801122e0a054d6f746f721888ffc1a28c34201392011b12120a055370"
    "656564200a69000000000021974022056d6f746f721801"
)
# Alias 2 is true, a second later.
DDATA = bytes.fromhex("08f086c2a28c34120b100218f086c2a28c3470011802")
NDEATH = bytes.fromhex("08d88ec2a28c3412120a05626453657118d88ec2a28c3420045807")
REBIRTH = bytes.fromhex("0888ffc1a28c3412210a144e6f646520436f6e74726f6c2f526562697274681888ffc1a28c34200b7001")

T = START_MS + 5000
DOOR = 'open: this["Inputs/Door"]'


def metric(
    name: str = "",
    *,
    alias: int | None = None,
    at_ms: int = T,
    datatype: int = 0,
    historical: bool = False,
    **value: object,
) -> bytes:
    """One metric, field by field; ``value`` is one of boolean, whole, long, double, text, null."""
    said = bytes_field(1, name.encode()) if name else b""
    said += varint_field(2, alias) if alias is not None else b""
    said += varint_field(3, at_ms) if at_ms else b""
    said += varint_field(4, datatype) if datatype else b""
    said += varint_field(5, 1) if historical else b""
    for kind, what in value.items():
        match kind, what:
            case "null", True:
                said += varint_field(7, 1)
            case "whole", int():
                said += varint_field(10, what & 0xFFFFFFFF)
            case "long", int():
                said += varint_field(11, what)
            case "float", float():
                said += float_field(12, what)
            case "double", float():
                said += double_field(13, what)
            case "boolean", bool():
                said += varint_field(14, what)
            case "text", str():
                said += bytes_field(15, what.encode())
    return bytes_field(2, said)


def payload(*metrics: bytes, seq: int | None = 0, at_ms: int = T) -> bytes:
    return varint_field(1, at_ms) + b"".join(metrics) + (varint_field(3, seq) if seq is not None else b"")


def birth(bd_seq: int = 7, *metrics: bytes) -> bytes:
    return payload(metric("bdSeq", datatype=4, long=bd_seq), *metrics)


def topic(kind: str) -> str:
    return f"spBv1.0/Yard/{kind}/Edge1" + ("/Gate" if kind.startswith("D") else "")


def bench(kind: str = "contact", **options: str) -> Bench:
    return Bench(SPARKPLUG_B, device("Yard/Edge1/Gate", kind, id="d", **(options or {"metrics": DOOR})))


def born(gear: Bench, *metrics: bytes) -> Heard:
    gear.hear(topic("NBIRTH"), birth())
    return gear.hear(topic("DBIRTH"), payload(*metrics, seq=1) if metrics else DBIRTH)


# --- the payload ----------------------------------------------------------------------------------------------------


def test_every_type_as_google_s_library_writes_it() -> None:
    found = decode(DBIRTH)
    assert (found.timestamp_ms, found.seq) == (T, 1)
    assert {(one.name, one.alias, one.value) for one in found.metrics} == {
        ("temperature", 1, 21.5),
        ("Inputs/Door", 2, False),
        ("Battery", 3, 87),
        ("Offset", 4, -5),
        ("Total", 5, -123456789012),
        ("Name", 6, "东门"),
        ("Nothing", 7, None),
        ("Motor/Speed", None, 1480.25),
    }
    assert [one.value for one in decode(NBIRTH).metrics] == [7, False, "Opto 22"]


def test_a_signed_number_in_its_own_width_and_in_32_bits_is_the_same() -> None:
    for written in (0xFB, 0xFFFFFFFB):
        (found,) = decode(payload(metric("x", datatype=1, whole=written))).metrics
        assert found.value == -5
    (found,) = decode(payload(metric("x", datatype=5, whole=0xFB))).metrics
    assert found.value == 251


def test_the_request_for_a_birth_as_google_s_library_writes_it() -> None:
    assert encode_command("Node Control/Rebirth", True, 11, T) == REBIRTH


def test_commands_of_every_type_come_back_as_they_were() -> None:
    for value, datatype in ((True, 11), (-3, 3), (-3, 4), (7, 5), (2.5, 10), (2.5, 9), ("zu 关", 12)):
        (found,) = decode(encode_command("x", value, datatype, T)).metrics
        assert found == Metric(name="x", timestamp_ms=T, datatype=datatype, value=value, raw=found.raw)
    for value, datatype in (("x", 11), (True, 3), (2.5, 3), (1, 16), (1, 12)):
        with pytest.raises(ValueError, match="no value"):
            encode_command("x", value, datatype, T)


@pytest.mark.parametrize(
    "wrong",
    [b"\x08", b"\x0a\x05abc", b"\x0b", b"\x00\x01", b"\xff" * 11, b"\x09\x00", b"\x12\x02\x50"],
)
def test_bytes_that_are_no_payload_are_refused(wrong: bytes) -> None:
    with pytest.raises(Refusal, match="Sparkplug B payload"):
        decode(wrong)


def test_too_many_metrics_and_too_deep_templates_are_refused() -> None:
    with pytest.raises(Refusal, match="fewer"):
        decode(payload(*[metric("x", whole=1)] * (MAX_METRICS + 1)))
    inner = bytes_field(2, bytes_field(1, b"x"))
    for _ in range(10):
        inner = bytes_field(2, bytes_field(1, b"t") + bytes_field(18, inner))
    with pytest.raises(Refusal, match="nested"):
        decode(inner)
    with pytest.raises(Refusal, match="oversize"):
        decode(bytes(1_100_000))


# --- births and data ------------------------------------------------------------------------------------------------


def test_a_birth_names_what_follows() -> None:
    gear = bench(metrics=DOOR + "\nbattery: Battery")
    at_birth = born(gear)
    assert at_birth.events == ["online"]
    assert at_birth.metrics == {"temperature": 21.5, "battery": 87, "open": 0}
    heard = gear.hear(topic("DDATA"), DDATA)
    (opened,) = heard.observations
    assert (opened.event, opened.lane, opened.metrics) == ("opened", Lane.URGENT, {"open": 1})
    assert opened.observed_at_ms == T + 1000
    assert opened.message_id == f"d:ddata-{T + 1000}-2"
    assert not heard.publish


def test_the_same_message_delivered_again_is_the_same_and_no_gap() -> None:
    gear = bench()
    born(gear)
    assert gear.hear(topic("DDATA"), DDATA).events == ["opened"]
    again = gear.hear(topic("DDATA"), DDATA, redelivered=True)
    assert again.events == [] and not again.publish


def test_names_count_that_are_like_our_keys_and_options_before_them() -> None:
    heard = born(
        bench("environment", metrics="pressure: Baro * 10"), metric("CO2", whole=600), metric("Baro", double=101.3)
    )
    assert heard.metrics == {"co2": 600, "pressure": 1013}
    gear = bench("meter", events="")
    assert born(gear, metric("Flow Rate", double=1.5), metric("Power-Factor", double=0.9)).metrics == {
        "flow_rate": 1.5,
        "power_factor": 0.9,
    }


def test_null_is_no_value_and_a_text_where_a_number_should_be_is_named() -> None:
    heard = born(
        bench("environment", events=""), metric("temperature", datatype=9, null=True), metric("co2", text="high")
    )
    assert heard.metrics == {}
    (fault,) = heard.faults
    assert (fault.field, fault.device) == ("metrics.co2", "d")


def test_a_press_counts_when_it_is_said_and_not_when_a_birth_repeats_it() -> None:
    gear = bench("sos_button", events='press: Button == "short"')
    assert born(gear, metric("Button", alias=1, datatype=12, text="short")).events == ["online"]
    pressed = gear.hear(topic("DDATA"), payload(metric(alias=1, text="short", at_ms=T + 9), seq=2, at_ms=T + 9))
    assert pressed.events == ["press"]


def test_several_values_of_one_metric_in_one_message_all_count() -> None:
    gear = bench("sos_button", events='press: Button == "short"')
    born(gear, metric("Button", alias=1, datatype=12, text="idle"))
    both = [metric(alias=1, text=text, at_ms=T + 9) for text in ("short", "idle")]
    assert gear.hear(topic("DDATA"), payload(*both, seq=2, at_ms=T + 9)).events == ["press"]
    gear = bench("leak", metrics="alarm: Leak")
    born(gear, metric("Leak", alias=1, datatype=11, boolean=False))
    both = [metric(alias=1, boolean=wet, at_ms=T + 9) for wet in (True, False)]
    assert gear.hear(topic("DDATA"), payload(*both, seq=2, at_ms=T + 9)).events == ["leak", "leak_cleared"]


def test_an_alarm_that_is_on_at_birth_is_news_and_said_again_at_a_rebirth_is_not() -> None:
    gear = bench("smoke", metrics="alarm: Smoke")
    on = metric("Smoke", datatype=11, boolean=True)
    assert born(gear, on).events == ["online", "smoke"]
    assert born(gear, on).events == []


def test_the_metrics_of_the_node_itself_are_a_device_s_where_it_is_registered() -> None:
    gear = Bench(SPARKPLUG_B, device("Yard/Edge1", "environment", id="node"))
    heard = gear.hear(topic("NBIRTH"), birth(7, metric("temperature", datatype=9, float=21.5)))
    assert heard.events == ["online"] and heard.metrics == {"temperature": 21.5}


# --- numbers --------------------------------------------------------------------------------------------------------


def test_a_gap_asks_for_the_births_and_what_came_still_counts() -> None:
    gear = bench()
    born(gear)
    heard = gear.hear(topic("DDATA"), payload(metric(alias=2, boolean=True, at_ms=T + 1), seq=5, at_ms=T + 1))
    assert heard.events == ["opened"]
    (asked,) = heard.publish
    assert asked.topic == "spBv1.0/Yard/NCMD/Edge1"
    assert [(one.name, one.value) for one in decode(asked.payload).metrics] == [("Node Control/Rebirth", True)]
    assert not asked.retain


def test_it_is_not_asked_again_and_again() -> None:
    gear = bench()
    born(gear)
    asked = 0
    for number in range(20):
        said = payload(metric(alias=2, boolean=True), seq=(number * 7) % 256, at_ms=T + number)
        asked += len(gear.hear(topic("DDATA"), said, after_ms=5000).publish)
    assert asked == 2, f"in 100 s, with {REBIRTH_EVERY_MS} ms between"


def test_the_number_after_255_is_0() -> None:
    gear = bench()
    gear.hear(topic("NBIRTH"), payload(metric("bdSeq", datatype=4, long=7), seq=254))
    gear.hear(topic("DBIRTH"), payload(metric("Inputs/Door", alias=2, datatype=11, boolean=False), seq=255))
    assert not gear.hear(topic("DDATA"), payload(metric(alias=2, boolean=True), seq=0)).publish


def test_after_a_start_of_the_gateway_a_node_is_asked_and_an_alias_nobody_knows_is_kept() -> None:
    gear = bench()
    born(gear)
    gear.restart(SPARKPLUG_B)
    heard = gear.hear(topic("DDATA"), DDATA)
    assert heard.publish and not heard.metrics
    (fault,) = heard.faults
    assert fault.reason == "unknown_metric" and "2" in fault.hint
    gear.hear(topic("NBIRTH"), birth())
    opened = payload(metric("Inputs/Door", alias=2, datatype=11, boolean=True, at_ms=T + 1000), seq=1, at_ms=T + 2000)
    assert gear.hear(topic("DBIRTH"), opened).events == ["opened"]


# --- deaths ---------------------------------------------------------------------------------------------------------


def test_the_death_of_the_session_ends_all_its_devices_and_one_of_an_earlier_session_harms_nobody() -> None:
    gear = bench()
    gear.hear(topic("NBIRTH"), birth(8))
    gear.hear(topic("DBIRTH"), DBIRTH)
    assert gear.hear(topic("NDEATH"), NDEATH).events == [], "it is of session 7"
    assert gear.hear(topic("NDEATH"), payload(metric("bdSeq", datatype=4, long=8), seq=None)).events == ["offline"]
    assert gear.hear(topic("NBIRTH"), birth(9)).events == []
    assert gear.hear(topic("DBIRTH"), payload(metric("x", whole=1), seq=1, at_ms=T + 60_000)).events == ["online"]


def test_the_death_of_a_device_is_its_own() -> None:
    other = device("Yard/Edge1/Cellar", "leak", id="leak")
    gear = Bench(SPARKPLUG_B, device("Yard/Edge1/Gate", "contact", id="d"), other)
    born(gear)
    gear.hear("spBv1.0/Yard/DBIRTH/Edge1/Cellar", payload(metric("alarm", datatype=11, boolean=False), seq=2))
    dead = gear.hear(topic("DDEATH"), payload(seq=3))
    assert [(one.device, one.event) for one in dead.observations] == [("d", "offline")] and not dead.publish


def test_what_a_broker_had_kept_is_of_a_session_that_is_over() -> None:
    gear = bench()
    for kind, said in (("NBIRTH", birth()), ("DBIRTH", DBIRTH), ("NDEATH", NDEATH)):
        heard = gear.hear(topic(kind), said, retained=True)
        assert not heard.observations and not heard.publish


# --- what was kept --------------------------------------------------------------------------------------------------


def test_historical_values_are_told_late_with_their_own_times_and_do_not_change_how_it_is() -> None:
    gear = bench("leak", metrics="alarm: Leak")
    assert born(gear, metric("Leak", alias=1, datatype=11, boolean=False)).events == ["online"]
    hour_ms = 3_600_000
    past = [
        metric(alias=1, boolean=True, historical=True, at_ms=T - 2 * hour_ms),
        metric(alias=1, boolean=False, historical=True, at_ms=T - hour_ms),
    ]
    heard = gear.hear(topic("DDATA"), payload(*past, seq=2, at_ms=T + 500))
    assert [(one.event, one.observed_at_ms, one.data["kept"]) for one in heard.observations] == [
        ("leak", T - 2 * hour_ms, True),
        ("leak_cleared", T - hour_ms, True),
    ]
    assert gear.hear(topic("DDATA"), payload(metric(alias=1, boolean=False), seq=3, at_ms=T + 900)).events == []


# --- strangers ------------------------------------------------------------------------------------------------------


def test_strangers_are_described_by_their_births_and_nothing_is_asked_of_them() -> None:
    gear = Bench(SPARKPLUG_B)
    made = metric("Properties/Hardware Make", datatype=12, text="Opto 22")
    described = gear.hear(topic("DBIRTH"), payload(made, metric("Inputs/Door", datatype=11, boolean=True)))
    (stranger,) = described.announced
    assert (stranger.address, stranger.name, stranger.vendor, stranger.heard) == (
        "Yard/Edge1/Gate",
        "Gate",
        "Opto 22",
        False,
    )
    spoke = gear.hear(topic("DDATA"), DDATA)
    assert spoke.announced[0].heard and not spoke.publish
    assert not gear.hear(topic("NBIRTH"), NBIRTH).announced, "it has nothing but its own affairs"
    assert not gear.hear(topic("NDEATH"), NDEATH).announced


def test_a_stranger_s_births_beside_a_registered_device_are_not_remembered() -> None:
    gear = bench()
    born(gear)
    for number in range(50):
        many = [metric(f"m{one}", alias=one, whole=1) for one in range(100)]
        gear.hear(f"spBv1.0/Yard/DBIRTH/Edge1/Stranger{number}", payload(*many, seq=(2 + number) % 256))
    assert gear.gear._nodes["Yard/Edge1"].size < 20  # type: ignore[attr-defined]


# --- commands -------------------------------------------------------------------------------------------------------

VALVE = {"metrics": 'open: this["Valve/Open"]', "commands": "open: Valve/Open = true\nclose: Valve/Open = false"}


def test_a_valve_is_shut_and_its_report_answers() -> None:
    gear = bench("valve", **VALVE)
    born(gear, metric("Valve/Open", alias=4, datatype=11, boolean=True))
    order = gear.order("d", "close")
    (sent,) = order.publications
    assert sent.topic == "spBv1.0/Yard/DCMD/Edge1/Gate" and not sent.retain
    assert [(one.name, one.value, one.datatype) for one in decode(sent.payload).metrics] == [("Valve/Open", False, 11)]
    assert order.confirm == {"open": 0}
    heard = gear.hear(topic("DDATA"), payload(metric(alias=4, boolean=False), seq=2, at_ms=T + 700))
    assert heard.events == ["closed", "command_result"]


def test_a_command_has_the_type_that_the_birth_said() -> None:
    gear = bench("valve", commands="close: Position = 0")
    born(gear, metric("Position", datatype=10, double=100.0))
    (found,) = decode(gear.order("d", "close").publications[0].payload).metrics
    assert (found.datatype, found.value) == (10, 0.0)
    assert gear.order("d", "close").confirm is None, "nothing it reports tells where the valve is"


def test_a_node_itself_is_commanded_by_ncmd() -> None:
    gear = Bench(SPARKPLUG_B, device("Yard/Edge1", "plug", id="p", commands="switch_on: Relay = true"))
    assert gear.order("p", "switch_on").publications[0].topic == "spBv1.0/Yard/NCMD/Edge1"


@pytest.mark.parametrize(
    ("commands", "hint"),
    [
        ("", "says nothing of it"),
        ("open: Valve/Open = true", "says nothing of it"),
        ("close Valve/Open", "correct it"),
        ("close: Valve/Open = perhaps", "correct it"),
        ("close: Valve/Open = [1]", "correct it"),
        ('close: Valve/Open = "shut"', "no value"),
    ],
)
def test_commands_that_cannot_be_are_refused_with_the_reason(commands: str, hint: str) -> None:
    gear = bench("valve", commands=commands)
    born(gear, metric("Valve/Open", datatype=11, boolean=True))
    with pytest.raises(Refusal, match=hint):
        gear.order("d", "close")


# --- anything -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        "spBv1.0/Yard/NDATA",
        "spBv1.0/Yard/DDATA/Edge1",
        "spBv1.0/Yard/NDATA/Edge1/Gate",
        "spBv1.0/Yard/NOISE/Edge1",
        "a",
        "",
    ],
)
def test_another_topic_is_refused(wrong: str) -> None:
    with pytest.raises(Refusal, match="wrong_topic"):
        bench().hear(wrong, DDATA)


def test_a_wrong_option_is_named_and_the_device_is_there() -> None:
    heard = born(bench(metrics="open: Door =="))
    assert heard.events == ["online"] and "metrics" in heard.faults[0].field


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_raise_anything_but_its_own_error(data: bytes) -> None:
    try:
        assert sum(1 for _ in fields(data)) <= len(data)
    except WireError as error:
        assert "byte" in f"{error}"


@given(st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1))
def test_what_is_written_is_read(number: int, value: int) -> None:
    assert list(fields(varint_field(number, value))) == [(number, 0, value)]
    assert list(fields(bytes_field(number, b"x" * (value % 300)))) == [(number, 2, b"x" * (value % 300))]
    assert list(fields(double_field(number, 1.5))) == [(number, 1, int.from_bytes(struct.pack("<d", 1.5), "little"))]


@given(
    messages=st.lists(
        st.tuples(
            st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]),
            st.binary(max_size=60)
            | st.builds(
                lambda name, alias, datatype, number, historical, seq: payload(
                    metric(name, alias=alias, datatype=datatype, whole=number, historical=historical), seq=seq
                ),
                st.sampled_from(["", "open", "Inputs/Door", "bdSeq"]),
                st.none() | st.integers(0, 2**64 - 1),
                st.integers(0, 40),
                st.integers(0, 2**32 - 1),
                st.booleans(),
                st.none() | st.integers(0, 2**64 - 1),
            )
            | st.sampled_from([NBIRTH, DBIRTH, DDATA, NDEATH]),
        ),
        max_size=6,
    )
)
def test_no_messages_make_it_raise_anything_but_a_refusal(messages: list[tuple[str, bytes]]) -> None:
    gear = bench().gear
    book = Book([device("Yard/Edge1/Gate", "contact", metrics=DOOR), device("Yard/Edge1", "environment", id="n")])
    for kind, said in messages:
        try:
            gear.receive(Incoming(source=topic(kind), payload=said, received_at_ms=START_MS), book)
        except Refusal as refusal:
            assert refusal.field and refusal.hint


def test_a_command_to_another_kind_of_device_is_unknown() -> None:
    with pytest.raises(Refusal, match="no command"):
        bench("contact").gear.order(
            device("Yard/Edge1/Gate", "contact"), Command(v=1, id="1", command="open"), START_MS
        )
