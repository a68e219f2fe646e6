"""ONVIF: what notifications become. The first is the example of a Notify in the ONVIF Application Programmer's Guide,
the others are in the words of makers' firmware as their users published them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.messages import Incoming
from devices.native import Command
from devices.observation import Lane, Refusal
from devices.profiles.onvif import MAX_NOTIFICATIONS, ONVIF
from tests.support.gear import START_MS, Bench, Book, Heard, device

GUIDE = b"""<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"
  xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="http://www.onvif.org/ver10/topics"
  xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsa="http://www.w3.org/2005/08/addressing">
 <SOAP-ENV:Header>
  <wsa:Action>http://docs.oasis-open.org/wsn/bw-2/NotificationConsumer/Notify</wsa:Action>
 </SOAP-ENV:Header>
 <SOAP-ENV:Body>
  <wsnt:Notify>
   <wsnt:NotificationMessage>
    <wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">
     tns1:RuleEngine/CellMotionDetector/Motion
    </wsnt:Topic>
    <wsnt:Message>
     <tt:Message UtcTime="2026-09-21T14:13:25Z" PropertyOperation="Changed">
      <tt:Source>
       <tt:SimpleItem Name="VideoSourceConfigurationToken" Value="1"/>
       <tt:SimpleItem Name="VideoAnalyticsConfigurationToken" Value="1"/>
       <tt:SimpleItem Name="Rule" Value="MyMotionDetectorRule"/>
      </tt:Source>
      <tt:Data><tt:SimpleItem Name="IsMotion" Value="true"/></tt:Data>
     </tt:Message>
    </wsnt:Message>
   </wsnt:NotificationMessage>
  </wsnt:Notify>
 </SOAP-ENV:Body>
</SOAP-ENV:Envelope>"""


def message(
    topic: str,
    *,
    operation: str = "Changed",
    at: str = "2026-09-21T14:13:25Z",
    source: dict[str, str] | None = None,
    data: dict[str, str] | None = None,
) -> str:
    def items(values: dict[str, str]) -> str:
        return "".join(f'<tt:SimpleItem Name="{name}" Value="{value}"/>' for name, value in values.items())

    property_ = f' PropertyOperation="{operation}"' if operation else ""
    return (
        f"<wsnt:NotificationMessage><wsnt:Topic>{topic}</wsnt:Topic><wsnt:Message>"
        f'<tt:Message UtcTime="{at}"{property_}><tt:Source>{items(source or {"Source": "VideoSource_1"})}</tt:Source>'
        f"<tt:Data>{items({'State': 'true'} if data is None else data)}</tt:Data></tt:Message></wsnt:Message>"
        "</wsnt:NotificationMessage>"
    )


def notify(*messages: str) -> bytes:
    return (
        '<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"'
        ' xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:tns1="http://www.onvif.org/ver10/topics">'
        f"<env:Body><wsnt:Notify>{''.join(messages)}</wsnt:Notify></env:Body></env:Envelope>"
    ).encode()


def bench(**options: str) -> Bench:
    return Bench(ONVIF, device("gate", "camera", id="cam", **options))


def push(gear: Bench, body: bytes, path: str = "", after_ms: int = 1000) -> Heard:
    return gear.hear(path, body, content_type="application/soap+xml", after_ms=after_ms)


def test_the_guide_s_motion_with_its_time_and_rule() -> None:
    heard = push(bench(), GUIDE)
    online, motion = heard.observations
    assert (online.event, motion.event, motion.lane) == ("online", "motion", Lane.ROUTINE)
    assert motion.observed_at_ms == START_MS + 5000
    assert motion.data == {"topic": "ruleengine/cellmotiondetector/motion", "rule": "MyMotionDetectorRule"}


@pytest.mark.parametrize(
    ("topic", "data", "event", "lane"),
    [
        ("tns1:VideoSource/MotionAlarm", {"State": "true"}, "motion", Lane.ROUTINE),
        ("tns1:RuleEngine/MotionRegionDetector/Motion", {"State": "1"}, "motion", Lane.ROUTINE),
        ("tns1:VideoAnalytics/tnsaxis:MotionDetection", {"motion": "1"}, "motion", Lane.ROUTINE),
        ("tnsaxis:CameraApplicationPlatform/VMD/Camera1ProfileANY", {"active": "1"}, "motion", Lane.ROUTINE),
        ("tns1:VideoSource/GlobalSceneChange/ImagingService", {"State": "true"}, "tamper", Lane.URGENT),
        ("tns1:VideoSource/GlobalSceneChange/AnalyticsService", {"State": "true"}, "tamper", Lane.URGENT),
        ("tns1:RuleEngine/TamperDetector/Tamper", {"IsTamper": "true"}, "tamper", Lane.URGENT),
        (
            "tns1:RuleEngine/FieldDetector/ObjectsInside",
            {"ObjectId": "0", "IsInside": "true"},
            "intrusion",
            Lane.URGENT,
        ),
        ("tns1:RuleEngine/MyRuleDetector/PeopleDetect", {"State": "true"}, "object", Lane.ROUTINE),
        ("tns1:Device/HardwareFailure/StorageFailure", {"Failed": "true"}, "fault", Lane.URGENT),
        ("tns1:VideoSource/SignalLoss", {"State": "true"}, "video_loss", Lane.URGENT),
    ],
)
def test_topics_of_the_makers(topic: str, data: dict[str, str], event: str, lane: Lane) -> None:
    heard = push(bench(), notify(message(topic, data=data)))
    assert [(one.event, one.lane) for one in heard.observations[1:]] == [(event, lane)]
    assert not heard.faults


@pytest.mark.parametrize("operation", ["", "Changed"])
@pytest.mark.parametrize("object_id", ["0", "1", "4711"])
def test_a_crossed_line_is_a_moment_whatever_the_number_of_who_crossed_it(operation: str, object_id: str) -> None:
    said = notify(message("tns1:RuleEngine/LineDetector/Crossed", operation=operation, data={"ObjectId": object_id}))
    gear = bench()
    assert push(gear, said).events == ["online", "line_crossing"]
    assert push(gear, said).events == [], "the same notification, pushed again"


def test_initialized_is_a_state_and_no_news() -> None:
    gear = bench()
    at_the_start = push(gear, notify(message("tns1:VideoSource/MotionAlarm", operation="Initialized")))
    assert at_the_start.events == ["online"] and at_the_start.metrics == {"motion": 1}
    assert push(gear, notify(message("tns1:VideoSource/MotionAlarm", data={"State": "false"}))).events == [
        "motion_cleared"
    ]
    crossed = message("tns1:RuleEngine/LineDetector/Crossed", operation="Initialized", data={"ObjectId": "5"})
    assert push(gear, notify(crossed)).events == []


def test_what_began_while_nobody_was_subscribed_is_news_against_what_is_known() -> None:
    gear = bench()
    topic = "tns1:RuleEngine/FieldDetector/ObjectsInside"
    push(gear, notify(message(topic, data={"IsInside": "false"})))
    later = message(topic, operation="Initialized", data={"IsInside": "true"}, at="2026-09-21T15:13:25Z")
    assert push(gear, notify(later)).events == ["intrusion"]


def test_a_property_that_is_deleted_is_over() -> None:
    gear = bench()
    push(gear, GUIDE)
    gone = message("tns1:RuleEngine/CellMotionDetector/Motion", operation="Deleted", data={"IsMotion": "true"})
    assert push(gear, notify(gone)).events == ["motion_cleared"]


def test_said_again_is_no_event() -> None:
    gear = bench()
    again = [message("tns1:VideoSource/MotionAlarm", at=f"2026-09-21T14:13:{second}Z") for second in range(25, 30)]
    assert push(gear, notify(*again)).events == ["online", "motion"]


def test_a_digital_input_is_a_device_of_its_own_by_its_token() -> None:
    gear = Bench(ONVIF, device("gate", "camera", id="cam"), device("gate#DIGIT_INPUT_000", "contact", id="door"))
    topic = "tns1:Device/Trigger/DigitalInput"
    source = {"InputToken": "DIGIT_INPUT_000"}
    opened = push(gear, notify(message(topic, source=source, data={"LogicalState": "true"})))
    assert [(one.device, one.event) for one in opened.observations] == [
        ("cam", "online"),
        ("door", "online"),
        ("door", "opened"),
    ]
    closed = message(topic, source=source, data={"LogicalState": "false"})
    assert push(gear, notify(closed)).events == ["closed"]
    (stranger,) = push(gear, notify(message(topic, source={"InputToken": "two"}, data={"LogicalState": "1"}))).announced
    assert (stranger.address, stranger.kind, stranger.heard) == ("camera#two", "contact", True)


def test_cameras_behind_one_door_are_told_apart_by_path_or_by_source() -> None:
    gear = Bench(ONVIF, device("north", "camera", id="n"), device("south", "camera", id="s"))
    assert {one.device for one in push(gear, GUIDE, "south").observations} == {"s"}
    (stranger,) = push(gear, GUIDE, "west").announced
    assert stranger.address == "west" and stranger.kind == "camera"
    recorder = Bench(
        ONVIF, device("nvr#VideoSource_1", "camera", id="a"), device("nvr#VideoSource_2", "camera", id="b")
    )
    heard = push(recorder, notify(message("tns1:VideoSource/MotionAlarm", source={"Source": "VideoSource_2"})))
    assert [(one.device, one.event) for one in heard.observations if one.event != "online"] == [("b", "motion")]


def test_the_clock_of_a_camera_that_calls_local_time_utc_can_be_passed_over() -> None:
    wrong = notify(message("tns1:VideoSource/MotionAlarm", at="2026-09-21T10:13:25Z"))
    assert push(bench(), wrong).observations[-1].observed_at_ms == START_MS + 5000 - 4 * 3_600_000
    assert push(bench(clock="receipt"), wrong).observations[-1].observed_at_ms == START_MS + 1000


def test_topics_of_no_concern_only_show_that_the_camera_is_there() -> None:
    for topic in ("tns1:Monitoring/ProcessorUsage", "tns1:VideoSource/ImageTooDark/ImagingService", "tns1:Media/x"):
        heard = push(bench(), notify(message(topic, data={"Value": "40"})))
        assert heard.events == ["online"] and not heard.faults


def test_an_unknown_topic_is_kept_with_the_reason_and_hides_nothing_beside_it() -> None:
    body = notify(message("tns1:RuleEngine/FlyingCarpet/Landed"), message("tns1:VideoSource/MotionAlarm"))
    heard = push(bench(), body)
    assert heard.events == ["online", "motion"]
    (fault,) = heard.faults
    assert (fault.reason, fault.field, fault.device) == ("unknown_event", "Topic", "cam")
    assert "flyingcarpet" in fault.hint


def test_a_state_without_a_truth_is_named() -> None:
    (fault,) = push(bench(), notify(message("tns1:VideoSource/MotionAlarm", data={"State": "maybe"}))).faults
    assert fault.field == "Data" and "maybe" in fault.hint


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"<a/>", "consumer"),
        (b"", "no element"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"),
        (notify(), "consumer"),
        (notify(*[message("tns1:VideoSource/MotionAlarm")] * (MAX_NOTIFICATIONS + 1)), "fewer topics"),
    ],
)
def test_what_is_no_notification_is_refused_with_the_reason(body: bytes, hint: str) -> None:
    with pytest.raises(Refusal, match=hint):
        push(bench(), body)


def test_broken_notifications_are_named() -> None:
    heard = push(
        bench(),
        notify(
            "<wsnt:NotificationMessage/>",
            message("tns1:VideoSource/MotionAlarm", operation="Perhaps"),
            message("tns1:VideoSource/MotionAlarm"),
        ),
    )
    assert heard.events == ["online", "motion"]
    assert [fault.field for fault in heard.faults] == ["NotificationMessage", "PropertyOperation"]


def test_it_takes_no_commands() -> None:
    with pytest.raises(Refusal, match="only listened to"):
        bench().gear.order(device("gate", "camera"), Command(v=1, id="1", command="open"), START_MS)


@given(
    body=st.binary(max_size=300)
    | st.builds(
        lambda topic, operation, name, value: notify(message(topic, operation=operation, data={name: value})),
        st.sampled_from(["tns1:VideoSource/MotionAlarm", "tns1:RuleEngine/LineDetector/Crossed", "x:y/z", "/", ":"]),
        st.sampled_from(["Initialized", "Changed", "Deleted", "", "x"]),
        st.sampled_from(["State", "ObjectId", ""]),
        st.sampled_from(["true", "0", "", "x"]),
    ),
    path=st.sampled_from(["", "gate", "gate/", "//", "x"]),
)
def test_no_bytes_make_it_raise_anything_but_a_refusal(body: bytes, path: str) -> None:
    book = Book([device("gate", "camera", id="cam"), device("gate#1", "contact", id="door")])
    try:
        bench().gear.receive(Incoming(source=path, payload=body, received_at_ms=START_MS), book)
    except Refusal as refusal:
        assert refusal.field and refusal.hint
