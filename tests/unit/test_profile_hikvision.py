"""Hikvision: what its alerts become. Alerts: the examples of the ISAPI developer guide, and what cameras of three
generations of firmware send to users of the alert stream, who published it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.messages import Incoming
from devices.native import Command
from devices.observation import Lane, Refusal
from devices.profiles.hikvision import HIKVISION
from tests.support.gear import START_MS, Bench, Book, Heard, device

MAC = "44:19:b6:6d:24:85"

# The idle heartbeat of a DS-2CD2142 (firmware 5.3), byte for byte.
HEARTBEAT = b"""<EventNotificationAlert version="1.0" xmlns="http://www.hikvision.com/ver10/XMLSchema">
<ipAddress>192.168.1.64</ipAddress>
<portNo>80</portNo>
<protocol>HTTP</protocol>
<macAddress>44:19:b6:6d:24:85</macAddress>
<channelID>1</channelID>
<dateTime>2026-09-21T22:13:20+08:00</dateTime>
<activePostCount>0</activePostCount>
<eventType>videoloss</eventType>
<eventState>inactive</eventState>
<eventDescription>videoloss alarm</eventDescription>
</EventNotificationAlert>
"""

# Motion of a newer firmware (ver20, a channel's name), with a target that was recognized.
MOTION = """<?xml version="1.0" encoding="UTF-8"?>
<EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">
<ipAddress>192.168.1.64</ipAddress>
<protocol>HTTP</protocol>
<macAddress>44:19:b6:6d:24:85</macAddress>
<channelID>1</channelID>
<dateTime>2026-09-21T22:13:25+08:00</dateTime>
<activePostCount>1</activePostCount>
<eventType>VMD</eventType>
<eventState>active</eventState>
<eventDescription>Motion alarm</eventDescription>
<channelName>东门 East gate</channelName>
<DetectionRegionList><DetectionRegionEntry><regionID>2</regionID></DetectionRegionEntry></DetectionRegionList>
<targetType>human</targetType>
</EventNotificationAlert>
""".encode()


def alert(
    kind: str,
    *,
    active: bool = True,
    at: str = "2026-09-21T22:13:25+08:00",
    count: int = 1,
    channel: str = "1",
    namespace: str = "http://www.isapi.org/ver20/XMLSchema",
    element: str = "channelID",
) -> bytes:
    return (
        f'<EventNotificationAlert version="2.0" xmlns="{namespace}"><ipAddress>192.168.1.64</ipAddress>'
        f"<macAddress>{MAC}</macAddress><{element}>{channel}</{element}><dateTime>{at}</dateTime>"
        f"<activePostCount>{count}</activePostCount><eventType>{kind}</eventType>"
        f"<eventState>{'active' if active else 'inactive'}</eventState></EventNotificationAlert>"
    ).encode()


def bench(*parts: str, utc_offset: str = "") -> Bench:
    cameras = [device(f"{MAC}#{part}" if part else MAC, "camera", id=f"cam{part}") for part in parts or ("",)]
    return Bench(HIKVISION, *cameras, options={"utc_offset": utc_offset} if utc_offset else {})


def push(gear: Bench, body: bytes, content_type: str = "application/xml", after_ms: int = 1000) -> Heard:
    return gear.hear("", body, content_type=content_type, after_ms=after_ms)


def test_motion_with_its_time_region_and_target() -> None:
    heard = push(bench(), MOTION)
    online, motion = heard.observations
    assert (online.event, motion.event, motion.lane) == ("online", "motion", Lane.ROUTINE)
    assert motion.observed_at_ms == START_MS + 5000
    assert motion.metrics == {"motion": 1}
    assert motion.data == {"target": "human", "region": "2", "about": "Motion alarm", "alert": "vmd"}


def test_the_heartbeat_is_no_alarm_and_shows_now_and_then_that_the_camera_is_there() -> None:
    gear = bench()
    first = push(gear, HEARTBEAT)
    assert first.events == ["online"]
    assert first.metrics == {"motion": 0, "intrusion": 0, "video_lost": 0}
    for _ in range(5):
        assert not push(gear, HEARTBEAT, after_ms=10_000).observations
    (alive,) = push(gear, HEARTBEAT, after_ms=10_000).observations
    assert alive.event is None and alive.lane is Lane.ROUTINE


@pytest.mark.parametrize(
    ("kind", "event", "lane"),
    [
        ("VMD", "motion", Lane.ROUTINE),
        ("PIR", "motion", Lane.ROUTINE),
        ("linedetection", "line_crossing", Lane.URGENT),
        ("fielddetection", "intrusion", Lane.URGENT),
        ("regionEntrance", "intrusion", Lane.URGENT),
        ("loitering", "object", Lane.ROUTINE),
        ("shelteralarm", "tamper", Lane.URGENT),
        ("tamperdetection", "tamper", Lane.URGENT),
        ("scenechangedetection", "tamper", Lane.URGENT),
        ("videoloss", "video_loss", Lane.URGENT),
        ("diskfull", "fault", Lane.URGENT),
        ("diskerror", "fault", Lane.URGENT),
        ("nicbroken", "fault", Lane.URGENT),
        ("ipconflict", "fault", Lane.URGENT),
        ("illAccess", "fault", Lane.URGENT),
    ],
)
@pytest.mark.parametrize(
    "namespace",
    [
        "http://www.hikvision.com/ver10/XMLSchema",
        "http://www.hikvision.com/ver20/XMLSchema",
        "http://www.isapi.org/ver20/XMLSchema",
    ],
)
def test_types_of_alerts_in_every_namespace(kind: str, event: str, lane: Lane, namespace: str) -> None:
    gear = bench()
    said = [one for one in push(gear, alert(kind, namespace=namespace)).observations if one.event != "online"]
    assert [(one.event, one.lane) for one in said] == [(event, lane)]
    if event == "fault":
        assert said[0].data["fault"] == kind.lower()


def test_an_alert_that_is_said_each_second_is_one_and_ends_when_the_camera_has_long_been_quiet() -> None:
    gear = bench()
    events = push(gear, alert("VMD", count=1)).events
    for count in range(2, 20):
        events += push(gear, alert("VMD", count=count, at=f"2026-09-21T22:13:{25 + count}+08:00")).events
    assert events == ["online", "motion"]
    assert push(gear, HEARTBEAT, after_ms=10_000).events == []
    assert push(gear, HEARTBEAT, after_ms=20_000).events == ["motion_cleared"]
    assert push(gear, alert("VMD", at="2026-09-21T22:15:00+08:00")).events == ["motion"]


def test_an_end_that_is_said_counts_at_once() -> None:
    gear = bench()
    push(gear, alert("fielddetection"))
    assert push(gear, alert("fielddetection", active=False, count=0)).events == ["intrusion_cleared"]


def test_a_second_intrusion_is_news_though_nobody_said_that_the_first_was_over() -> None:
    gear = bench()
    assert "intrusion" in push(gear, alert("fielddetection")).events
    later = alert("fielddetection", at="2026-09-21T22:15:25+08:00")
    assert push(gear, later, after_ms=120_000).events == ["intrusion_cleared", "intrusion"]


def test_a_second_crossing_soon_after_is_the_same_episode_and_one_later_is_another() -> None:
    gear = bench()
    assert push(gear, alert("linedetection")).events == ["online", "line_crossing"]
    assert push(gear, alert("linedetection", at="2026-09-21T22:13:26+08:00", count=2)).events == []
    later = alert("linedetection", at="2026-09-21T22:16:26+08:00")
    assert push(gear, later, after_ms=180_000).events == ["line_crossing"]


def test_the_same_alert_pushed_again_is_the_same_and_what_was_not_written_down_is_not_lost() -> None:
    gear = bench()
    assert push(gear, alert("linedetection")).events == ["online", "line_crossing"]
    assert push(gear, alert("linedetection")).events == [], "the camera heard no answer and says it again"
    fresh = bench()
    refused = push(fresh, alert("linedetection")).observations
    fresh.ids.clear()  # the journal could not write it, and answered 503
    for one in refused:
        fresh.memories["cam"].doubt(one)
    assert "line_crossing" in push(fresh, alert("linedetection")).events


def test_a_start_of_the_gateway_does_not_hide_what_comes_next_or_keep_what_is_over() -> None:
    gear = bench()
    push(gear, alert("fielddetection"))
    gear.restart(HIKVISION)
    assert push(gear, HEARTBEAT, after_ms=60_000).events == ["intrusion_cleared"]
    push(gear, alert("videoloss", at="2026-09-21T22:16:26+08:00"))
    gear.restart(HIKVISION)
    assert push(gear, HEARTBEAT).events == ["video_restored"]


def test_two_types_that_keep_one_state_up() -> None:
    gear = bench()
    push(gear, alert("VMD"))
    push(gear, alert("PIR"))
    assert push(gear, alert("VMD", active=False)).metrics == {"motion": 1}
    assert push(gear, alert("PIR", active=False)).events == ["motion_cleared"]


# --- recorders ------------------------------------------------------------------------------------------------------


def test_channels_of_a_recorder_are_parts_of_its_address() -> None:
    gear = bench("1", "33")
    heard = push(gear, alert("linedetection", channel="33", element="dynChannelID"))
    assert {one.device for one in heard.observations} == {"cam33"}
    both = push(gear, HEARTBEAT)
    assert {one.device for one in both.observations} == {"cam1", "cam33"}


def test_a_heartbeat_of_one_channel_says_nothing_of_another_one_s_picture() -> None:
    gear = bench("1", "2")
    push(gear, alert("videoloss", channel="2"))
    assert "video_restored" not in push(gear, HEARTBEAT, after_ms=700_000).events
    assert push(gear, alert("videoloss", channel="2", active=False, count=0)).events == ["video_restored"]


def test_the_only_camera_at_a_door_needs_no_address() -> None:
    gear = Bench(HIKVISION, device("cam-gate", "camera", id="cam"))
    assert "motion" in push(gear, MOTION).events
    upper = Bench(HIKVISION, device(MAC.upper(), "camera", id="a"), device("other", "camera", id="b"))
    assert {one.device for one in push(upper, MOTION).observations} == {"a"}
    by_ip = Bench(HIKVISION, device("192.168.1.64", "camera", id="a"), device("other", "camera", id="b"))
    assert {one.device for one in push(by_ip, MOTION).observations} == {"a"}


def test_a_stranger_is_announced_with_its_channel() -> None:
    gear = Bench(HIKVISION, device("aa", "camera", id="a"), device("bb", "camera", id="b"))
    (stranger,) = push(gear, MOTION).announced
    assert (stranger.address, stranger.kind, stranger.name) == (f"{MAC}#1", "camera", "东门 East gate")
    assert stranger.heard
    assert not push(gear, HEARTBEAT).announced[0].heard


# --- wrappings ------------------------------------------------------------------------------------------------------

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\r\n\r\n--not-a-boundary\xff\xd9"


def form(*parts: tuple[str, bytes], boundary: str = "MIME_boundary") -> bytes:
    said = b""
    for kind, body in parts:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="x"\r\nContent-Type: {kind}\r\n'
        said += head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body + b"\r\n"
    return said + f"--{boundary}--\r\n".encode()


def test_an_alert_beside_its_pictures() -> None:
    body = form(("application/xml", MOTION), ("image/jpeg", JPEG), ("image/jpeg", JPEG))
    heard = push(bench(), body, "multipart/form-data; boundary=MIME_boundary")
    assert heard.events == ["online", "motion"] and not heard.faults
    assert heard.observations[-1].data["pictures"] == 2


def test_pieces_of_an_alert_stream() -> None:
    piece = (
        b'--boundary\r\nContent-Type: application/xml; charset="UTF-8"\r\nContent-Length: '
        + str(len(HEARTBEAT)).encode()
        + b"\r\n\r\n"
    )
    body = piece + HEARTBEAT + b"\r\n" + piece + MOTION + b"\r\n"
    for content_type in ("multipart/mixed; boundary=boundary", "", 'multipart/mixed; boundary="--boundary"'):
        assert push(bench(), body, content_type).events == ["online", "motion"]


def test_an_alert_in_json() -> None:
    said = {
        "ipAddress": "192.168.1.64",
        "macAddress": MAC,
        "channelID": 1,
        "dateTime": "2026-09-21T22:13:25+08:00",
        "activePostCount": 1,
        "eventType": "fielddetection",
        "eventState": "active",
        "detectionTarget": "vehicle",
    }
    heard = push(bench(), json.dumps(said).encode(), "application/json")
    assert heard.events == ["online", "intrusion"]
    assert heard.observations[-1].data["target"] == "vehicle"
    assert push(bench(), json.dumps({"EventNotificationAlert": said}).encode()).events == ["online", "intrusion"]


@pytest.mark.parametrize(
    ("at", "expected_ms"),
    [
        ("2026-09-21T22:13:25+08:00", START_MS + 5000),
        ("2026-09-21T22:13:25+8:00", START_MS + 5000),
        ("2026-09-21T14:13:25Z", START_MS + 5000),
        ("2026-09-21T22:13:25", START_MS + 5000),  # by the option
        ("yesterday", START_MS + 1000),  # the time of receipt
    ],
)
def test_times_with_and_without_an_offset(at: str, expected_ms: int) -> None:
    heard = push(bench(utc_offset="+08:00"), alert("linedetection", at=at))
    assert heard.observations[-1].observed_at_ms == expected_ms


def test_a_wrong_offset_is_named() -> None:
    with pytest.raises(ValueError, match="utc_offset"):
        bench(utc_offset="Beijing")


# --- what cannot be used --------------------------------------------------------------------------------------------


def test_an_unknown_type_is_kept_with_the_reason_and_the_camera_is_there() -> None:
    heard = push(bench(), alert("thermometry"))
    assert heard.events == ["online"]
    (fault,) = heard.faults
    assert (fault.reason, fault.field, fault.device) == ("unknown_event", "eventType", "cam")
    assert "thermometry" in fault.hint


def test_a_contact_on_an_alarm_input_is_a_device_of_its_own() -> None:
    gear = Bench(HIKVISION, device(MAC, "camera", id="cam"), device(f"{MAC}#io1", "contact", id="door"))
    io = alert("IO").replace(b"</eventType>", b"</eventType><inputIOPortID>1</inputIOPortID>")
    opened = push(gear, io)
    assert [(one.device, one.event) for one in opened.observations] == [("door", "online"), ("door", "opened")]
    assert push(gear, HEARTBEAT, after_ms=31_000).events == ["online", "closed"]
    (stranger,) = push(bench(), io).announced
    assert (stranger.address, stranger.kind) == (f"{MAC}#io1", "contact")


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;">]>
<EventNotificationAlert><eventType>&lol3;</eventType></EventNotificationAlert>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<EventNotificationAlert><eventType>&x;</eventType></EventNotificationAlert>"""


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (BOMB, "document type"),
        (OUTSIDE, "document type"),
        (b"<a>" * 60, "nested"),
        (b"<a>" + b"<b/>" * 6000 + b"</a>", "elements"),
        (b"<EventNotificationAlert><eventType>VMD</eventType>", "no element"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "encoding"),
        (b"<ResponseStatus/>", "push alarms"),
        (b"<EventNotificationAlert><eventState>active</eventState></EventNotificationAlert>", "not there"),
        (alert("VMD").replace(b">active<", b">perhaps<"), "perhaps"),
        (b"hello", "hello"),
        (b"", "''"),
        (b"{}", "not there"),
    ],
)
def test_what_is_no_alert_is_refused_with_the_reason(body: bytes, hint: str) -> None:
    with pytest.raises(Refusal, match=hint):
        push(bench(), body)


def test_a_broken_part_does_not_hide_the_alert_beside_it() -> None:
    body = form(("application/xml", b"<oops>"), ("application/xml", MOTION))
    heard = push(bench(), body, "multipart/form-data; boundary=MIME_boundary")
    assert heard.events == ["online", "motion"] and heard.faults


def test_a_body_of_too_many_parts_or_bytes_is_refused() -> None:
    with pytest.raises(Refusal, match="parts"):
        push(bench(), form(*[("application/xml", MOTION)] * 100), "multipart/form-data; boundary=MIME_boundary")
    with pytest.raises(Refusal, match="oversize"):
        push(bench(), b"<" * 1_100_000)


def test_it_takes_no_commands() -> None:
    with pytest.raises(Refusal, match="only listened to"):
        bench().gear.order(device(MAC, "camera"), Command(v=1, id="1", command="open"), START_MS)


@given(
    body=st.binary(max_size=300)
    | st.builds(
        lambda pieces: b"".join(pieces),
        st.lists(
            st.sampled_from([MOTION, HEARTBEAT, b"--b\r\n", b"\r\n\r\n", b"<", b"</a>", b"{", JPEG, b"--"])
            | st.binary(max_size=20),
            max_size=6,
        ),
    ),
    content_type=st.sampled_from(["", "application/xml", "multipart/form-data; boundary=b", "multipart/mixed"])
    | st.text(max_size=20),
)
def test_no_bytes_make_it_raise_anything_but_a_refusal(body: bytes, content_type: str) -> None:
    book = Book([device(MAC, "camera", id="cam")])
    incoming = Incoming(source="", payload=body, received_at_ms=START_MS, content_type=content_type)
    try:
        bench().gear.receive(incoming, book)
    except Refusal as refusal:
        assert refusal.field and refusal.hint
