"""What outside systems are told of a case, and in which words: documents, CAP, Contact ID."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarms import ALARM_TYPES, AlarmMove, Severity
from gateway.cases.cap import NAMESPACE, cap_xml
from gateway.cases.document import CaseDocument, Scene, Spot, Who, Words, document, event_of
from gateway.cases.effects import Delivery, Purpose, Send, Write
from gateway.cases.handover import Outsider, Receiver, Zone, hand_over
from gateway.cases.model import Case
from tests.support.town import Story, change

ROOT = Path(__file__).parents[2]
XSD = xmlschema.XMLSchema(str(ROOT / "tests" / "golden" / "cap" / "CAP-v1.2.xsd"))
HERE = Scene(
    community="tuanjiehu",
    community_name=Words(zh="团结湖", en="Tuanjiehu"),
    timezone="Asia/Shanghai",
    place="door-1",
    address=Words(zh="3号楼501", en="501, building 3"),
    pole="TJH-0417",
    spot=Spot(lat=39.9289, lon=116.4583, of=Words(zh="3号楼", en="building 3"), exact=False),
    resident=Who(name="李秀兰", phone="000-5"),
    call_back="000-1",
)


class Outside:
    """A story whose every step is looked at from outside."""

    def __init__(self, *rules: Outsider, contact_id: bool = False, story: Story | None = None) -> None:
        self.receivers = [Receiver(rule, contact_id, rule.to) for rule in rules]
        self.story = story or Story()
        self.before: Case | None = None
        self.sent: list[Send] = []
        self.look()

    def look(self) -> list[Send]:
        self.story.case, effects = hand_over(
            self.before, self.story.case, self.receivers, lambda: HERE, self.story.now_ms
        )
        self.before = self.story.case
        new = [effect for effect in effects if isinstance(effect, Send)]
        self.sent += new
        return new

    def act(self, action: str, reason: str = "x") -> list[Send]:
        self.story.act(action, reason=reason)  # type: ignore[arg-type]
        return self.look()

    def alarm(self, move: AlarmMove = AlarmMove.RAISED, **more: object) -> list[Send]:
        self.story.alarm(move, **more)
        return self.look()

    def forward(self, seconds: float) -> list[Send]:
        """Time passes, and whatever the case does by itself meanwhile is looked at as well."""
        found: list[Send] = []
        for _ in range(int(seconds)):
            self.story.forward(1)
            found += self.look()
        return found


def signals(sends: list[Send]) -> list[str]:
    return [f"{one.data['qualifier']}{one.data['code']} {one.data['zone']}" for one in sends]


def documents(sends: list[Send]) -> list[CaseDocument]:
    return [CaseDocument.model_validate(one.data["document"]) for one in sends]


LIVE = Outsider(id="city", channel="platform", mode="live")
ARC = Outsider(id="arc", channel="arc", to="1002", mode="live", zones={"sos-1": Zone(zone=7, partition=1)})


def test_a_case_is_told_once_when_it_opens_when_it_moves_and_how_it_ended() -> None:
    outside = Outside(LIVE)
    outside.forward(100)  # rungs, reminders: nobody's business outside
    for action in ("acknowledge", "dispatch", "arrive", "resolve", "close"):
        outside.act(action)
    told = documents(outside.sent)
    assert [(one.event, one.stage, one.revision) for one in told] == [
        ("opened", "opened", 1),
        ("updated", "acknowledged", 2),
        ("updated", "dispatched", 3),
        ("updated", "arrived", 4),
        ("updated", "resolved", 5),
        ("closed", "closed", 6),
    ]
    assert len({one.key for one in outside.sent}) == 6
    assert {one.purpose for one in outside.sent} == {Purpose.HAND_OVER}
    assert outside.act("note") == [], "what comes after the end is not told"


def test_who_is_told_what_by_type_severity_and_only_once_it_concerns_them() -> None:
    smoke = Outsider(id="fire", channel="fire", types=("smoke",))
    urgent = Outsider(id="other", channel="other", severities=(Severity.SERVICE,))
    outside = Outside(smoke, urgent)
    assert outside.sent == []
    outside.act("acknowledge")
    joined = outside.alarm(rule="smoke-alarm", type_="smoke", momentary=False)
    assert [(one.channel, one.data["document"]["event"]) for one in joined] == [("fire", "opened")]  # type: ignore[index]
    assert [one.channel for one in outside.act("dispatch")] == ["fire"]


def test_nobody_is_named_who_need_not_be() -> None:
    named = Outsider(id="city", channel="platform", person=True, mode="live")
    (with_name,), (without,) = documents(Outside(named).sent), documents(Outside(LIVE).sent)
    assert with_name.resident == HERE.resident and "PIPL" in with_name.legal_basis
    assert without.resident is None and without.legal_basis == ""
    assert "李秀兰" not in json.dumps(without.as_json(), ensure_ascii=False)
    assert "李秀兰" not in cap_xml(without) and "李秀兰" in cap_xml(with_name)


def test_contact_id_of_a_press_that_is_pressed_again_and_cancelled() -> None:
    outside = Outside(ARC, contact_id=True)
    assert signals(outside.sent) == ["1101 7"] and outside.sent[0].data["partition"] == 1
    assert outside.sent[0].to == "1002" and outside.sent[0].urgent
    assert signals(outside.act("acknowledge")) == ["6101 7"]
    outside.story.now_ms += 10_000
    assert signals(outside.alarm(AlarmMove.REPEATED)) == ["1101 7"]
    assert signals(outside.act("cancel")) == ["1406 7", "3101 7"]


def test_contact_id_of_conditions_that_come_and_go() -> None:
    gas = change(rule="gas-alarm", type_="gas", momentary=False, device="gas-1")
    outside = Outside(ARC, contact_id=True, story=Story(first=gas))
    zone = ARC.zone_of("gas-1").zone
    assert signals(outside.sent) == [f"1151 {zone}"]
    more = {"rule": "gas-alarm", "type_": "gas", "momentary": False, "device": "gas-1"}
    assert signals(outside.alarm(AlarmMove.CLEARED, **more)) == [f"3151 {zone}"]
    assert signals(outside.alarm(**more)) == [f"1151 {zone}"]
    outside.act("acknowledge")
    outside.act("resolve")
    assert signals(outside.act("close")) == [f"3151 {zone}"]


def test_what_ended_waits_for_what_began() -> None:
    outside = Outside(ARC, contact_id=True)
    first = outside.sent[0].key
    acknowledged = outside.act("acknowledge")
    assert acknowledged[0].data["after"] == [first]
    assert outside.act("cancel")[0].data["after"] == [one.key for one in acknowledged]


@pytest.mark.parametrize("mode", ["drill", "live"])
@pytest.mark.parametrize("drill", [True, False])
def test_only_a_live_receiver_of_a_case_that_is_no_drill_gets_anything_in_earnest(mode: str, drill: bool) -> None:
    rule = Outsider(id="city", channel="platform", mode=mode)  # type: ignore[arg-type]
    story = Story()
    story.case = story.case.model_copy(update={"drill": drill})
    outside = Outside(rule, story=story)
    outside.act("acknowledge")
    outside.act("cancel")
    actual = mode == "live" and not drill
    for told in documents(outside.sent):
        root = ElementTree.fromstring(cap_xml(told))
        status = root.findtext(f"{{{NAMESPACE}}}status")
        headline = root.findtext(f".//{{{NAMESPACE}}}headline") or ""
        assert status == ("Actual" if actual else "Exercise")
        assert ("演练" in headline) is (not actual)
    story = Story()
    story.case = story.case.model_copy(update={"drill": drill})
    arc = Outside(ARC.model_copy(update={"mode": mode}), contact_id=True, story=story)
    arc.act("acknowledge")
    arc.act("cancel")
    assert signals(arc.sent) == (["1101 7", "6101 7", "1406 7", "3101 7"] if actual else ["1601 7"])


def test_a_zone_is_the_same_whatever_else_there_is() -> None:
    assert ARC.zone_of("sos-1") == Zone(zone=7, partition=1)
    assert ARC.zone_of("door-3-501") == ARC.zone_of("door-3-501") and 1 <= ARC.zone_of("x").zone <= 999
    assert ARC.zone_of(None).zone == 0


def test_a_switch_that_somebody_plays_with_is_told_no_end_of_times() -> None:
    outside = Outside(LIVE)
    more = {"rule": "smoke-alarm", "type_": "smoke", "momentary": False}
    for _ in range(150):
        outside.alarm(**more)
        outside.alarm(AlarmMove.CLEARED, **more)
    assert len(outside.sent) == 200
    assert documents(outside.act("cancel"))[0].event == "cancelled"


def test_cap_messages_of_one_case_refer_to_each_other_and_are_valid() -> None:
    outside = Outside(LIVE.model_copy(update={"person": True}))
    outside.act("acknowledge")
    outside.act("cancel", reason="孩子误按 <b>&")
    messages = [cap_xml(told, to="district desk") for told in documents(outside.sent)]
    for message in messages:
        XSD.validate(message)
    roots = [ElementTree.fromstring(message) for message in messages]
    assert [root.findtext(f"{{{NAMESPACE}}}msgType") for root in roots] == ["Alert", "Update", "Cancel"]
    sent = [root.findtext(f"{{{NAMESPACE}}}sent") for root in roots]
    names = [root.findtext(f"{{{NAMESPACE}}}identifier") for root in roots]
    assert sent[0] == "2026-09-21T22:13:20+08:00"
    references = roots[2].findtext(f"{{{NAMESPACE}}}references")
    assert references == f"anju.tuanjiehu,{names[0]},{sent[0]} anju.tuanjiehu,{names[1]},{sent[1]}"
    info = roots[0].findall(f"{{{NAMESPACE}}}info")
    assert [one.findtext(f"{{{NAMESPACE}}}language") for one in info] == ["zh-CN", "en-US"]
    assert info[0].findtext(f"{{{NAMESPACE}}}urgency") == "Immediate"
    assert info[0].findtext(f".//{{{NAMESPACE}}}circle") == "39.928900,116.458300 0.3"
    pairs = {one[0].text: one[1].text for one in info[1].findall(f"{{{NAMESPACE}}}parameter")}
    assert (pairs["case"], pairs["contact_id"], pairs["pole"]) == ("2026-000001", "101", "TJH-0417")
    assert roots[2].findall(f"{{{NAMESPACE}}}info")[0].findtext(f"{{{NAMESPACE}}}responseType") == "AllClear"


@pytest.mark.parametrize("type_", sorted(ALARM_TYPES))
def test_every_type_of_alarm_has_a_code_and_makes_a_valid_message(type_: str) -> None:
    story = Story(first=change(type_=type_))
    told = document(story.case, HERE, event=event_of(story.case), live=True, person=True)
    assert told.contact_id is not None and 100 <= told.contact_id <= 999
    XSD.validate(cap_xml(told))


@given(st.text(max_size=60), st.text(max_size=30), st.sampled_from(["UTC", "Asia/Shanghai", "America/St_Johns"]))
def test_whatever_people_write_the_message_is_valid(words: str, place: str, zone: str) -> None:
    story = Story()
    story.case = story.case.model_copy(update={"explanation": words, "text": words, "number": words or "1"})
    here = HERE.model_copy(update={"timezone": zone, "address": Words(zh=place, en=place), "pole": place})
    XSD.validate(cap_xml(document(story.case, here, event="opened", live=False, person=False), to=place))


def test_documents_are_as_their_schema_says() -> None:
    schema = json.loads((ROOT / "docs" / "case-document.schema.json").read_text(encoding="utf-8"))
    assert schema == CaseDocument.model_json_schema(by_alias=True), "run `python -m gateway.cases.document_schema`"
    outside = Outside(LIVE)
    jsonschema.validate(outside.sent[0].data["document"], schema)


def test_the_timeline_says_that_an_outside_system_was_told_and_people_count_as_told_by_people() -> None:
    outside = Outside(LIVE)
    outside.story.deliver(outside.sent[0], Delivery.DELIVERED, "HTTP 204")
    assert outside.story.what()[-1] == "told_outside"
    assert "notified" not in outside.story.case.times
    outside.story.deliver(outside.sent[0], Delivery.GAVE_UP, "HTTP 500")
    last = outside.story.written[-1]
    assert isinstance(last, Write) and last.what == "not_reached"
