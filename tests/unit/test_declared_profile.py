"""A profile declared in YAML: what its entries make of messages, and how its mistakes are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.declared import load_profile
from devices.gear.jsontext import MAX_BYTES
from devices.gear.memory import Memory
from devices.gear.messages import Announced
from devices.gear.profile_error import ProfileError
from devices.gear.remembered import MAX_REMEMBERED, Remembered
from devices.observation import Refusal
from tests.support.gear import START_MS, Bench, device

TEXT = """
key: acme
zh: 示例
en: example
carrier: mqtt
base: acme
models: [ACME One]
source: the makers of acme
default_part: "1"
options: {scale: what a raw value is multiplied by}
device_options: {reverse: yes where the contact is the other way round, tone: its tone}
messages:
  - {topic: "{base}/{address}/boot", ignore: it says nothing of a device}
  - {topic: "{base}/{address}/lwt", format: text, as: lwt, presence: lwt == "up"}
  - {topic: "{base}/{address}/level/{name}", format: number, as: "{name}"}
  - {topic: "{base}/{address}/relay{part#}", format: text, as: RELAY}
  - topic: "{base}/{address}/state"
    when: type == "state"
    parts: ["RELAY{part#}", "{name}:{part#}"]
    time: millis(ts)
    identity: "{boot}:{seq}"
  - topic: ["{base}/{address}/hello", "{base}/hello/{address}"]
    describes: true
  - topic: "{base}/{hub}/many"
    each: reports
    address: ["{name}", "{hub}/{short}"]
    part: "{channel}"
  - {topic: "{base}/{hub}/inner", fields: data.inner, address: "{id}"}
  - {topic: "{base}/radio/{address*}", copies: {within_s: 2, apart_from: [time, rssi]}}
  - {topic: "{base}/{address}/keys", counter: count}
any:
  metrics: {rssi: Wifi.Signal, uptime: up, battery: number(battery)}
  data: {firmware: version}
kinds:
  plug: {metrics: {powered: truth(RELAY), power: watts * number(bridge.scale)}}
  contact:
    metrics:
      open: when(truth(option.reverse), not door, door)
      temperature: temp
  sos_button: {events: {press: key == "S"}}
  siren: {metrics: {sounding: truth(RELAY)}}
announce:
  kind: {plug: has(RELAY), sos_button: has(key)}
  name: "{name}"
  vendor: Acme
  model: "{hw.model}"
  firmware: "{version}"
commands:
  plug:
    switch_on: {topic: "{base}/{address}/set{part}", payload: "ON", confirm: {powered: 1}}
    switch_off: {topic: "{base}/{address}/set{part}", payload: "OFF"}
  siren:
    sound:
      topic: "{base}/{address}/set"
      payload: '{"id": "{id}", "for": {duration_s}, "name": "{address}", "tone": "{option.tone}"}'
      args: {duration_s: {"60": "60", "10": "10", "30": "30", "180": "180", "300": "250"}}
      retain: true
"""
ACME = load_profile(TEXT, "acme.yaml")


def bench(*devices: Any, base: str = "", **options: str) -> Bench:
    return Bench(ACME, *devices, base=base, options=options)


def test_the_profile_is_what_it_says() -> None:
    assert (ACME.key, ACME.zh, ACME.en, ACME.carrier, ACME.base) == ("acme", "示例", "example", "mqtt", "acme")
    assert ACME.kinds == ("sos_button", "contact", "siren", "plug")  # in the order of the catalogue
    assert ACME.commands == {"plug": ("switch_on", "switch_off"), "siren": ("sound",)}
    assert (ACME.models, ACME.source, ACME.spec_only) == (("ACME One",), "the makers of acme", False)
    assert set(ACME.options) == {"scale"} and set(ACME.device_options) == {"reverse", "tone"}
    assert ACME.stream is None


# --- topics -----------------------------------------------------------------------------------------------------------


def test_filters_follow_the_base_and_leave_out_what_others_cover_and_what_is_ignored() -> None:
    filters = bench().gear.filters()
    assert filters == ("acme/+/level/+", "acme/+/+", "acme/radio/#")
    assert Bench(ACME, base="a/b").gear.filters()[0] == "a/b/+/level/+"


@pytest.mark.parametrize("base", ["a/#", "+", "/a", "a/", "{x}"])
def test_a_base_that_cannot_be_one(base: str) -> None:
    with pytest.raises(ValueError, match="base: "):
        Bench(ACME, base=base)


def test_a_bridge_must_not_listen_to_everything() -> None:
    wide = TEXT.replace('"{base}/radio/{address*}"', '"{base}/{address*}/x"').replace("base: acme\n", "")
    with pytest.raises(ValueError, match="base: this profile would listen to every topic"):
        Bench(load_profile(wide, "wide.yaml"))


def test_an_address_may_have_several_levels() -> None:
    side = bench(device("garden/back door", "contact", reverse="no"))
    assert side.hear("acme/radio/garden/back door", {"door": True}).events == ["opened"]


def test_a_topic_of_nobody_is_refused_and_says_which_there_are() -> None:
    with pytest.raises(Refusal) as caught:
        bench().hear("acme/x/y/z", "1")
    assert caught.value.reason == "wrong_topic" and "{base}/{address}/state" in caught.value.expected


# --- what a message holds ---------------------------------------------------------------------------------------------


def test_text_number_and_json_under_their_names() -> None:
    side = bench(device("a", "plug"), scale="10")
    assert side.hear("acme/a/relay", "ON").events == ["switched_on"]
    assert side.hear("acme/a/level/battery", "87").metrics == {"battery": 87.0}
    assert side.hear("acme/a/level/watts", "3.5").metrics == {"power": 35.0}
    heard = side.hear("acme/a/state", {"type": "state", "Wifi": {"Signal": -50}, "version": "7", "watts": 1})
    assert heard.metrics == {"rssi": -50.0, "power": 10.0}
    assert heard.observations[0].data == {"firmware": "7"}


@pytest.mark.parametrize(
    ("topic", "payload", "told"),
    [
        ("acme/a/level/battery", "full", "payload: malformed; expected a number; got 'full'"),
        ("acme/a/level/battery", "nan", "expected a number"),
        ("acme/a/relay", b"\xff\xfe", "payload: malformed; expected UTF-8 text"),
        ("acme/a/state", "{", "payload: malformed; expected JSON"),
        ("acme/a/state", b"[" * 100_000, "payload: malformed; expected JSON"),
        ("acme/a/state", {"type": "other"}, "expected one of the messages of acme on this topic"),
        ("acme/a/state", [1], "expected one of the messages of acme on this topic"),
        ("acme/h/many", {"reports": 3}, "reports: malformed; expected a list or an object"),
        ("acme/h/inner", {"data": [1]}, "data.inner: malformed; expected an object"),
        ("acme/a/state", b" " * (MAX_BYTES + 1), "payload: oversize"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_was_expected(topic: str, payload: object, told: str) -> None:
    with pytest.raises(Refusal) as caught:
        bench(device("a", "plug")).hear(topic, payload)
    assert told in str(caught.value)


def test_nothing_at_all_is_a_topic_that_the_broker_forgot() -> None:
    assert bench(device("a", "plug")).hear("acme/a/state", b"").observations == []


def test_what_is_ignored_is_neither_heard_nor_refused() -> None:
    heard = bench(device("a", "plug")).hear("acme/a/boot", {"RELAY": "ON"})
    assert (heard.observations, heard.announced, heard.faults) == ([], (), [])


def test_presence() -> None:
    side = bench(device("a", "plug"), device("a#2", "plug", id="second"))
    assert [one.device for one in side.hear("acme/a/lwt", "up").observations] == ["plug-1", "second"]
    assert side.hear("acme/a/lwt", "down").events == ["offline", "offline"]
    assert side.hear("acme/a/lwt", "down").events == []


def test_its_own_time_and_its_own_name_for_a_message() -> None:
    side = bench(device("a", "plug"))
    at = (START_MS - 60_000) / 1000
    (first,) = side.hear("acme/a/state", {"type": "state", "boot": "b", "seq": 4, "ts": at, "up": 5}).observations
    assert (first.message_id, first.observed_at_ms) == ("plug-1:b.4", START_MS - 60_000)
    (second,) = side.hear("acme/a/state", {"type": "state", "boot": "b", "ts": 5, "up": 5}).observations
    assert ":gear:" in second.message_id and second.observed_at_ms == second.received_at_ms


# --- parts and reports ------------------------------------------------------------------------------------------------


def test_each_part_hears_what_is_its_own_and_all_hear_the_rest() -> None:
    side = bench(device("a", "plug"), device("a#2", "plug", id="second"), device("a#3", "sos_button"))
    heard = side.hear(
        "acme/a/state", {"type": "state", "RELAY1": "ON", "RELAY2": "OFF", "up": 9, "x:2": 1, "RELAYX": 1}
    )
    assert [(one.device, one.metrics) for one in heard.observations] == [
        ("plug-1", {"uptime": 9.0, "powered": 1.0}),
        ("second", {"uptime": 9.0, "powered": 0.0}),
        ("sos_button-1", {"uptime": 9.0}),
    ]
    assert side.hear("acme/a/state", {"type": "state", "RELAY": "OFF"}).events == ["switched_off"]


def test_the_topic_names_the_part() -> None:
    side = bench(device("a", "plug"), device("a#2", "plug", id="second"))
    assert [one.device for one in side.hear("acme/a/relay2", "ON").observations] == ["second"]
    assert [one.device for one in side.hear("acme/a/relay", "ON").observations] == ["plug-1"]
    assert side.hear("acme/a/relay7", "ON").announced == (
        Announced(address="a#7", kind="plug", vendor="Acme", heard=True),
    )


def test_several_reports_in_one_message_each_with_its_address_and_part() -> None:
    side = bench(device("Kitchen", "contact", reverse="no"), device("hub/0x2#5", "plug"))
    reports = [{"name": "Kitchen", "door": True, "channel": "1"}, {"short": "0x2", "channel": 5, "up": 3}, {"x": 1}, 7]
    heard = side.hear("acme/hub/many", {"reports": reports})
    assert [(one.device, one.event, one.metrics) for one in heard.observations] == [
        ("contact-1", "opened", {"open": 1.0}),
        ("plug-1", None, {"uptime": 3.0}),
    ]
    assert [fault.field for fault in heard.faults] == ["address", "address"]
    assert "{name} or {hub}/{short}" in heard.faults[0].expected


def test_reports_by_their_keys_and_what_stands_beside_them() -> None:
    side = bench(device("one", "plug"))
    heard = side.hear("acme/hub/many", {"up": 8, "reports": {"k": {"name": "one", "channel": ""}}})
    assert heard.metrics == {"uptime": 8.0}


def test_a_message_with_too_many_reports_is_read_as_far_as_it_goes() -> None:
    side = bench(device("one", "plug"))
    heard = side.hear("acme/hub/many", {"reports": [{"name": "one", "channel": "", "up": n} for n in range(500)]})
    assert len(heard.observations) == 200
    assert [fault.reason for fault in heard.faults] == ["oversize"]


def test_fields_further_down_and_levels_of_the_topic_before_fields() -> None:
    side = bench(device("x", "contact", reverse="no"))
    assert side.hear("acme/h/inner", {"data": {"inner": {"id": "x", "hub": "no", "door": True}}}).events == ["opened"]
    with pytest.raises(Refusal):
        side.hear("acme/h/inner", {"data": {}})


# --- strangers --------------------------------------------------------------------------------------------------------


def test_a_stranger_is_announced_with_what_it_most_probably_is() -> None:
    said = {"type": "state", "RELAY1": "ON", "version": "1.2", "hw": {"model": "One"}, "name": "灯"}
    assert bench().hear("acme/new/state", said).announced == (
        Announced(address="new", kind="plug", name="灯", vendor="Acme", model="One", firmware="1.2", heard=True),
    )


def test_what_only_describes_gear_is_no_report() -> None:
    side = bench(device("a", "plug"))
    heard = side.hear("acme/hello/a", {"key": "S", "version": "3", "up": 4})
    assert heard.observations == []
    assert heard.announced == (Announced(address="a", kind="sos_button", vendor="Acme", firmware="3"),)
    assert side.hear("acme/a/hello", {}).announced[0].address == "a"


@pytest.mark.parametrize("address", ["", "a#b", "line\nbreak", "x" * 201, "\u0000"])
def test_an_address_that_nobody_could_register_is_a_fault(address: str) -> None:
    heard = bench().hear("acme/h/inner", {"data": {"inner": {"id": address}}})
    assert (heard.announced, [fault.field for fault in heard.faults]) == ((), ["address"])


# --- the same again ---------------------------------------------------------------------------------------------------


def test_copies_of_one_transmission_are_one_message() -> None:
    side = bench(device("r", "sos_button"))
    heard = [side.hear("acme/radio/r", {"key": "S", "time": n, "rssi": -n}, after_ms=900) for n in range(8)]
    assert [one.events for one in heard] == [["press"], *[[]] * 7]
    assert side.hear("acme/radio/r", {"key": "S", "time": 99}, after_ms=2001).events == ["press"]


def test_another_content_or_sender_is_no_copy() -> None:
    side = bench(device("r", "contact", reverse="no"), device("q", "sos_button"))
    assert side.hear("acme/radio/r", {"door": True}, after_ms=1).events == ["opened"]
    assert side.hear("acme/radio/r", {"door": False}, after_ms=1).events == ["closed"]
    assert side.hear("acme/radio/q", {"key": "S"}, after_ms=1).events == ["press"]


def test_a_counted_press_is_one_press_however_often_it_is_said() -> None:
    side = bench(device("b", "sos_button"))
    said = [side.hear("acme/b/keys", {"key": "S", "count": count}, after_ms=30_000).events for count in (4, 4, 4, 5, 5)]
    assert said == [["press"], [], [], ["press"], []]


def test_a_counter_that_starts_over_makes_new_presses() -> None:
    side = bench(device("b", "sos_button"))
    side.hear("acme/b/keys", {"key": "S", "count": 1})
    assert side.hear("acme/b/keys", {"key": "", "count": 0}).events == []
    assert side.hear("acme/b/keys", {"key": "S", "count": 1}).events == ["press"]


def test_a_press_that_the_broker_kept_stays_over_when_it_is_said_again() -> None:
    side = bench(device("b", "sos_button"))
    assert side.hear("acme/b/keys", {"key": "S", "count": 4}, retained=True).events == []
    assert side.hear("acme/b/keys", {"key": "S", "count": 4}, after_ms=30_000).events == []
    assert side.hear("acme/b/keys", {"key": "S", "count": 5}).events == ["press"]


def test_a_counted_press_is_known_after_a_restart_of_the_gateway() -> None:
    side = bench(device("b", "sos_button"))
    said = side.hear("acme/b/keys", {"key": "S", "count": 4})
    assert said.events == ["press"]
    side.memories["sos_button-1"] = Memory()
    for observation in said.observations:
        side.memories["sos_button-1"].restore(observation)
    assert side.hear("acme/b/keys", {"key": "S", "count": 4}, after_ms=3_600_000).events == []
    assert side.hear("acme/b/keys", {"key": "S", "count": 5}, retained=True).events == ["press"], "missed meanwhile"


def test_what_is_remembered_of_repeats_is_bounded() -> None:
    remembered = Remembered()
    for n in range(MAX_REMEMBERED + 50):
        remembered.transmission((f"a{n}", ""), {}, b"", 2000, None, n)
    assert len(remembered._transmissions) == MAX_REMEMBERED


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_in_the_gears_words() -> None:
    side = bench(device("a#2", "plug"), base="x/y")
    order = side.order("plug-1", "switch_on")
    assert [(one.topic, one.payload, one.retain) for one in order.publications] == [("x/y/a/set2", b"ON", False)]
    assert order.confirm == {"powered": 1.0}
    assert side.order("plug-1", "switch_off").confirm is None
    heard = side.hear("x/y/a/relay2", "ON")
    assert heard.events == ["switched_on", "command_result"]


def test_arguments_go_through_their_table_and_json_stays_json() -> None:
    side = bench(device('a"b', "siren", tone="高"))
    sent = [
        json.loads(side.order("siren-1", "sound", **args).publications[0].payload)
        for args in ({}, {"duration_s": "300"})
    ]
    assert sent[0] == {"id": "c-sound", "for": 60, "name": 'a"b', "tone": "高"}
    assert sent[1]["for"] == 250


@pytest.mark.parametrize(
    ("which", "command", "args", "told"),
    [
        ("contact-1", "open", {}, "expected one of none: it takes no commands"),
        ("plug-1", "open", {}, "expected one of switch_on, switch_off"),
        ("siren-1", "sound", {"duration_s": "7"}, "args.duration_s: unknown_command; expected one of 60, 10"),
        ("siren-1", "sound", {}, 'expected a value for everything in {"id"'),
        ("wild", "switch_on", {}, "complete the device's address"),
    ],
)
def test_what_the_gear_cannot_do_is_refused(which: str, command: str, args: dict[str, str], told: str) -> None:
    side = bench(device("a", "contact"), device("a", "plug"), device("a", "siren"), device("a/+", "plug", id="wild"))
    with pytest.raises(Refusal) as caught:
        side.order(which, command, **args)
    assert told in str(caught.value) and caught.value.reason == "unknown_command"


# --- HTTP -------------------------------------------------------------------------------------------------------------

PUSHED = load_profile(
    """
key: pushed
zh: 推送
en: pushed
carrier: http
models: [any]
source: here
messages: [{topic: "alarm/{address}"}]
kinds: {smoke: {metrics: {alarm: smoke}}}
""",
    "pushed.yaml",
)


def test_gear_that_pushes_is_told_by_the_path() -> None:
    side = Bench(PUSHED, device("k", "smoke"))
    assert side.gear.filters() == ()
    assert side.hear("alarm/k", {"smoke": True}).events == ["smoke"]
    with pytest.raises(Refusal):
        side.hear("alarm/k", b"")  # over HTTP, nothing is no message


# --- mistakes ---------------------------------------------------------------------------------------------------------


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (changed("key: acme", "key: Acme One"), "acme.yaml:2: key: it is not usable; expected small letters, digits"),
        (changed("zh: 示例", "zh: ''"), "zh: it is not usable; expected a text that is not empty"),
        (changed("carrier: mqtt", "carrier: mqtts"), "carrier: it is none of the choices; expected mqtt or http"),
        (changed("source: the makers of acme\n", ""), "source is missing"),
        (changed("models: [ACME One]", "model: [ACME One]"), "model: there is no such key here"),
        (changed("models: [ACME One]", "models: []"), "models: it is not usable; expected a list that is not empty"),
        (changed("when: type", "wen: type"), "messages[4].wen: there is no such key here"),
        (changed('when: type == "state"', 'when: type = "state"'), "messages[4].when: column"),
        (changed("fields: data.inner", "format: xml"), "messages[7].format: it is none of the choices"),
        (changed("within_s: 2", "within_s: long"), "messages[8].copies.within_s: it is a text; expected a number"),
        (changed('"{base}/{address}/state"', '"{base}/state"'), "messages[4]: nothing says which device it is from"),
        (changed('"{base}/{address}/state"', '"{base}/+/state"'), "messages[4].topic: it holds + or #"),
        (changed('"{base}/{address}/state"', '"{base}/{address"'), "messages[4].topic: a bracket is not understood"),
        (changed('"{base}/{address}/state"', '"{address}/{address}"'), "messages[4].topic: a name is given twice"),
        (changed('"{base}/{address}/state"', '"{address*}/{x*}"'), "messages[4].topic: it has several {name*}"),
        (changed('"{base}/{address}/state"', '"{address}{x}"'), "messages[4].topic: two names stand side by side"),
        (changed('"RELAY{part#}"', '"RELAY"'), "messages[4].parts[0]: it does not say which part"),
        (changed('address: "{id}"', 'address: "{id"'), "messages[7].address: a bracket is not understood"),
        (changed('address: "{id}"', 'address: "{id}", time: lower(ts)'), "messages[7].time: lower(ts) is no number"),
        (changed("counter: count", 'counter: count, identity: "{x}"'), "the message already has its identity"),
        (changed("as: RELAY", 'as: RELAY, part: "{x}"'), "messages[3].part: the message already has its part"),
        (changed("as: lwt", 'as: "{x}"'), "messages[1].as: x is not known here"),
        (changed("counter: count", "counter: option.tone"), "which device it is from is not known here yet"),
        (changed("number(bridge.scale)", "number(bridge.scael)"), "kinds.plug.metrics.power: there is no option scael"),
        (changed("truth(option.reverse)", "truth(option.revers)"), "did you mean reverse?"),
        (changed("  siren: {metrics", "  sirene: {metrics"), "kinds.sirene: there is no such kind"),
        (changed("plug: has(RELAY)", "valve: has(RELAY)"), "announce.kind.valve: this profile does not map it"),
        (changed("switch_off: {", "switch_of: {"), "commands.plug.switch_of: a plug has no such command"),
        (
            changed("commands:\n  plug:", "commands:\n  motion: {x: {topic: a}}\n  plug:"),
            "commands.motion: this profile",
        ),
        (
            changed("confirm: {powered: 1}", "confirm: {power_on: 1}"),
            "commands.plug.switch_on.confirm.power_on: no report",
        ),
        (changed("confirm: {powered: 1}", "confirm: {powered: nan}"), "no report of a plug can show it"),
        (changed('"300": "250"', '"301": "250"'), "expected a row for each of 10, 30, 60, 180, 300"),
        (changed("args: {duration_s", "args: {seconds"), "commands.siren.sound.args.seconds: the command has no such"),
        (changed('{duration_s}, "name"', '{volume}, "name"'), "commands.siren.sound.payload: volume is not known here"),
        (changed('"for": {duration_s}', '"for" {duration_s}'), "commands.siren.sound.payload: it is no JSON"),
        (TEXT.replace("carrier: mqtt", "carrier: http"), "gear that pushes over HTTP takes no commands"),
        ("{}", "key is missing"),
        ("5", "it is a text; expected a table"),
    ],
)
def test_mistakes_say_where_what_was_expected_and_what_to_do(text: str, told: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile(text, "acme.yaml")
    assert told in str(caught.value)
    assert str(caught.value).startswith("acme.yaml:") and caught.value.expected and caught.value.hint


@given(st.lists(st.sampled_from(TEXT.splitlines(keepends=True)), max_size=30).map("".join))
def test_no_text_makes_loading_raise_anything_else(text: str) -> None:
    try:
        load_profile(text, "f.yaml")
    except ProfileError as error:
        assert error.line >= 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "type",
                    "reports",
                    "name",
                    "channel",
                    "RELAY1",
                    "x:2",
                    "data",
                    "inner",
                    "id",
                    "key",
                    "count",
                    "ts",
                    "door",
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
TOPICS = st.sampled_from(
    (
        "acme/a/boot",
        "acme/a/lwt",
        "acme/a/level/battery",
        "acme/a/relay2",
        "acme/a/state",
        "acme/a/hello",
        "acme/h/many",
        "acme/h/inner",
        "acme/radio/a",
        "acme/a/keys",
        "acme/a/relay",
        "elsewhere",
    )
)


@given(TOPICS, st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), st.booleans())
def test_no_bytes_make_it_raise_anything_but_a_refusal(topic: str, payload: bytes, retained: bool) -> None:
    side = bench(device("a", "plug"), device("a#2", "contact", reverse="no"), device("a", "sos_button"))
    try:
        heard = side.hear(topic, payload, retained=retained)
    except Refusal as refusal:
        assert refusal.expected and refusal.hint
    else:
        assert len(heard.observations) <= 20


def test_what_is_said_again_after_something_else_is_no_copy() -> None:
    side = bench(device("r", "contact", reverse="no"))
    said = [side.hear("acme/radio/r", {"door": door}, after_ms=300).events for door in (True, True, False, True, False)]
    assert said == [["opened"], [], ["closed"], ["opened"], ["closed"]]


def test_a_bridge_holds_no_more_than_it_says() -> None:
    side = bench(*(device(f"r{n}", "sos_button", id=f"d{n}") for n in range(MAX_REMEMBERED + 20)))
    for n in range(MAX_REMEMBERED + 20):
        side.hear(f"acme/radio/r{n}", {"x": n}, after_ms=1)
    assert len(side.gear._remembered._transmissions) == MAX_REMEMBERED  # type: ignore[attr-defined]  # what it may hold
