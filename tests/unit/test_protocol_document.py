"""`docs/protocol.md` and its schema say what the code does."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import document, native
from devices.kind import Kind
from devices.observation import Channel, Refusal
from tests.support.native import Ref, valid_messages

NOW = 1_790_000_700_000
PAGE = (document.DOCS / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- example: (.+?) -->\n```(?:json)?\n(.+?)\n```", PAGE, re.DOTALL)
UP = [pytest.param(words.split(), text, id=f"{n} {words}") for n, (words, text) in enumerate(EXAMPLES) if "up" in words]
DOWN = [text for words, text in EXAMPLES if words == "down"]


@cache
def validator(definition: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((document.DOCS / "protocol.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]})


def test_the_generated_parts_are_current() -> None:
    assert document.stale(document.DOCS) == [], "run `python -m devices.document`"
    assert document.main(["--check"]) == 0


def test_a_change_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "protocol.md").write_text(PAGE.replace("59408-5", "59408-6"), encoding="utf-8")
    assert [path.name for path in document.stale(tmp_path)] == ["protocol.md", "protocol.schema.json"]
    (tmp_path / "protocol.md").write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="expected one line"):
        document.stale(tmp_path)


@pytest.mark.parametrize(("words", "text"), UP)
def test_examples_of_messages(words: list[str], text: str) -> None:
    _, kind, channel, *encoding = words
    payload = bytes.fromhex(text) if encoding else text.encode()
    if not encoding:
        validator("Message").validate(json.loads(text))
    decoded = native.decode(
        Ref("d-1", kind),
        Channel(channel),
        payload,
        received_at_ms=NOW,
        encoding="msgpack" if encoding else "json",
    )
    assert decoded.faults == ()
    assert not decoded.observation.clock_suspect


def test_examples_of_commands() -> None:
    assert len(DOWN) == 1
    for text in DOWN:
        validator("Command").validate(json.loads(text))
        assert native.decode_command(text.encode(), "json").command == "indicate"


def test_every_example_is_tested() -> None:
    assert len(UP) + len(DOWN) == PAGE.count("```") // 2 == 8


@given(valid_messages(NOW))
def test_the_schema_accepts_what_healthy_devices_send(sent: tuple[Kind, Channel, native.Message]) -> None:
    validator("Message").validate(json.loads(native.encode(sent[2], "json")))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "v": st.sampled_from([1, 2, "1"]),
            "boot": st.sampled_from([0, -1, 2**53, "a", None]),
            "seq": st.sampled_from([0, 7, 1.5]),
            "t": st.sampled_from([0, -1, None, "now"]),
            "metrics": st.sampled_from([{}, {"pulse": 70}, {"pulse": "70"}, {"": 1}, [], None]),
            "data": st.sampled_from([{}, {"a": "b"}, {"a": None}, {"a": [1]}]),
            "wave": st.sampled_from([None, {}, {"name": "ecg", "rate": 1, "scale": 1, "samples": [1], "x": 1}]),
        },
    )
)
def test_the_schema_refuses_what_the_decoder_finds_malformed(fields: dict[str, Any]) -> None:
    fields = {"metrics": {"pulse": 70}} | fields
    try:
        native.decode(Ref("d-1", "vitals_monitor"), Channel.TELEMETRY, json.dumps(fields).encode(), received_at_ms=NOW)
        sound = True
    except Refusal as refusal:
        sound = refusal.field == "metrics" and refusal.expected == "a metric or a waveform"
    assert validator("Message").is_valid(fields) == sound


def test_every_reason_of_the_decoder_is_in_the_table() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (
            document.DOCS.parent / "devices" / "native.py",
            document.DOCS.parent / "gateway" / "intake.py",
            document.DOCS.parent / "gateway" / "receipts.py",
        )
    )
    reasons = set(re.findall(r'Refusal\(\s*"(\w+)"', code))
    assert reasons == set(
        re.findall(r"^\| `(\w+)` \| [^|]+ \|$", PAGE.partition("| reason |")[2].partition("## As")[0], re.M)
    )
