"""Frigate: what its messages become. Payloads: docs.frigate.video/integrations/mqtt, and events of a real recorder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.gear.messages import Incoming
from devices.observation import Lane, Refusal
from devices.profiles.frigate import FRIGATE, MAX_TOLD
from tests.support.gear import START_MS, Bench, Book, device
from tests.support.recordings import recording

GOLDEN = Path(__file__).parents[1] / "golden" / "frigate"
DOCUMENTED = json.loads((GOLDEN / "documented.json").read_text(encoding="utf-8"))
"""Messages as docs.frigate.video/integrations/mqtt prints them, without its comments."""


def bench(**options: str) -> Bench:
    return Bench(FRIGATE, device("front_door", "camera", **options), device("bridge", "concentrator"))


def event(step: str = "new", **after: Any) -> dict[str, Any]:
    """A message of ``frigate/events``; ``after`` changes the object as it is now."""
    now = {
        "id": "1790000001.5-abc123",
        "camera": "front_door",
        "label": "person",
        "top_score": 0.71,
        "false_positive": False,
        "start_time": (START_MS + 1500) / 1000,
        "frame_time": (START_MS + 2500) / 1000,
        "end_time": None,
        "current_zones": [],
        "entered_zones": [],
        "has_clip": False,
        "has_snapshot": False,
        "max_severity": None,
    }
    return {"type": step, "before": now, "after": now | after}


def review(step: str, severity: str, *detections: str, id: str = "1790000001.5-rev111") -> dict[str, Any]:
    now = {
        "id": id,
        "camera": "front_door",
        "start_time": (START_MS + 1500) / 1000,
        "end_time": None,
        "severity": severity,
        "thumb_path": "/media/frigate/clips/review/thumb.webp",
        "data": {
            "detections": list(detections),
            "objects": ["person"],
            "sub_labels": [],
            "zones": ["yard"],
            "audio": [],
        },
    }
    return {"type": step, "before": now, "after": now}


def test_the_documented_event_says_what_was_seen_where_and_where_its_recording_is() -> None:
    message = DOCUMENTED["events"]
    heard = bench(url="").hear("frigate/events", message)
    (seen,) = heard.observations
    assert (seen.event, seen.lane) == ("object", Lane.ROUTINE)
    assert seen.data == {
        "label": "person",
        "score": 0.959,
        "zones": "yard,driveway",
        "object_id": "1607123955.475377-mxklsc",
    }
    assert seen.message_id == "camera-1:1607123955.475377-mxklsc"


def test_a_tracked_object_is_one_event_however_often_it_is_updated() -> None:
    frigate = bench()
    told = frigate.hear("frigate/events", event("new"))
    assert told.events == ["object"]
    assert told.observations[0].observed_at_ms == START_MS + 1500
    for step, score in [("update", 0.8), ("update", 0.9), ("end", 0.9)]:
        assert frigate.hear("frigate/events", event(step, top_score=score, has_clip=True)).events == []
    assert frigate.hear("frigate/events", event("new", id="1790000009.1-other1")).events == ["object"]


def test_a_false_positive_is_nothing_until_it_is_none() -> None:
    frigate = bench()
    assert frigate.hear("frigate/events", event("new", false_positive=True)).observations == []
    assert frigate.hear("frigate/events", event("update")).events == ["object"]


def test_an_object_whose_beginning_was_missed_is_told_by_what_comes_first() -> None:
    heard = bench().hear("frigate/events", event("end", has_clip=True))
    assert heard.events == ["object"]
    assert heard.observations[0].data["clip"] == "events/1790000001.5-abc123/clip.mp4"


def test_the_same_message_again_is_the_same_event_so_that_a_refused_one_can_be_told_again() -> None:
    frigate = bench()
    first = frigate.hear("frigate/events", event("new"))
    frigate.ids.clear()  # the journal did not take it
    again = frigate.hear("frigate/events", event("new"), redelivered=True)
    assert [one.message_id for one in again.observations] == [one.message_id for one in first.observations]
    assert frigate.hear("frigate/events", event("update", top_score=0.99)).events == []


def test_an_object_that_rises_to_an_alert_is_told_once_more() -> None:
    frigate = bench()
    assert frigate.hear("frigate/events", event("new", max_severity="detection")).events == ["object"]
    risen = frigate.hear("frigate/events", event("update", max_severity="alert", entered_zones=["yard"]))
    assert risen.events == ["object"]
    assert risen.observations[0].data["severity"] == "alert"
    assert risen.observations[0].message_id == "camera-1:1790000001.5-abc123-alert"
    assert frigate.hear("frigate/events", event("end", max_severity="alert")).events == []


def test_an_object_that_begins_as_an_alert_is_told_once() -> None:
    frigate = bench()
    assert frigate.hear("frigate/events", event("new", max_severity="alert")).events == ["object"]
    assert frigate.hear("frigate/events", event("end", max_severity="alert")).events == []
    assert frigate.hear("frigate/reviews", review("new", "alert", "1790000001.5-abc123")).events == []


def test_a_review_tells_of_objects_that_the_events_did_not_and_of_a_rise() -> None:
    frigate = bench()
    frigate.hear("frigate/events", event("new"))
    risen = frigate.hear("frigate/reviews", review("new", "alert", "1790000001.5-abc123", "1790000002.0-zzz999"))
    assert [(one.event, one.message_id, one.data["severity"]) for one in risen.observations] == [
        ("object", "camera-1:1790000001.5-abc123-alert", "alert"),
        ("object", "camera-1:1790000002.0-zzz999", "alert"),
    ]
    assert frigate.hear("frigate/reviews", review("end", "alert", "1790000001.5-abc123")).events == []


def test_the_documented_review_is_understood() -> None:
    frigate = Bench(FRIGATE, device("front_cam", "camera"))
    heard = frigate.hear("frigate/reviews", DOCUMENTED["reviews"])
    assert heard.events == ["object"] * 3
    assert {one.data["severity"] for one in heard.observations} == {"alert"}
    assert heard.observations[0].data["zones"] == "front_yard"


def test_an_alert_is_an_intrusion_only_where_the_registry_says_so() -> None:
    assert "intrusion" not in bench().hear("frigate/reviews", review("new", "alert")).events
    frigate = bench(intrusion="alert")
    begun = frigate.hear("frigate/reviews", review("new", "detection"))
    assert "intrusion" not in begun.events
    risen = frigate.hear("frigate/reviews", review("update", "alert"))
    assert risen.events == ["intrusion"]
    assert risen.observations[0].lane is Lane.URGENT
    assert frigate.hear("frigate/reviews", review("update", "alert")).events == []
    assert frigate.hear("frigate/reviews", review("end", "alert")).events == ["intrusion_cleared"]


def test_a_second_intrusion_is_heard_although_the_end_of_the_first_was_not() -> None:
    frigate = bench(intrusion="alert")
    assert frigate.hear("frigate/reviews", review("new", "alert", id="1.0-first1")).events == ["intrusion"]
    again = frigate.hear("frigate/reviews", review("new", "alert", id="2.0-second"))
    assert again.events == ["intrusion_cleared", "intrusion"]
    assert frigate.hear("frigate/reviews", review("new", "alert", id="2.0-second"), redelivered=True).events == []


def test_movement_is_a_state() -> None:
    frigate = bench()
    assert frigate.hear("frigate/front_door/motion", "OFF").events == []
    assert frigate.hear("frigate/front_door/motion", "ON").events == ["motion"]
    assert frigate.hear("frigate/front_door/motion", "ON").events == []
    assert frigate.hear("frigate/front_door/motion", "OFF").events == ["motion_cleared"]
    with pytest.raises(Refusal, match="ON or OFF"):
        frigate.hear("frigate/front_door/motion", "maybe")


def test_with_the_recorder_its_cameras_are_gone_and_come_back() -> None:
    frigate = bench()
    assert frigate.hear("frigate/available", "online", retained=True).events == ["online", "online"]
    gone = frigate.hear("frigate/available", "offline")
    assert [(one.device, one.event) for one in gone.observations] == [
        ("camera-1", "offline"),
        ("concentrator-1", "offline"),
    ]
    assert frigate.hear("frigate/available", "stopped").events == []
    assert frigate.hear("frigate/available", "online").events == ["online", "online"]


def test_a_stream_that_is_gone_is_video_loss_and_a_camera_switched_off_is_not() -> None:
    frigate = bench()
    assert frigate.hear("frigate/front_door/status/detect", "online").events == []
    assert frigate.hear("frigate/front_door/status/detect", "offline").events == ["video_loss"]
    assert frigate.hear("frigate/front_door/status/record", "offline").observations == []
    assert frigate.hear("frigate/front_door/status/detect", "online").events == ["video_restored"]
    frigate.hear("frigate/front_door/enabled/state", "OFF", retained=True)
    still = frigate.hear("frigate/stats", {"cameras": {"front_door": {"camera_fps": 0.0}}})
    assert (still.events, still.metrics["fps"]) == ([], 0.0)
    frigate.hear("frigate/front_door/enabled/state", "ON")
    assert frigate.hear("frigate/stats", {"cameras": {"front_door": {"camera_fps": 0.0}}}).events == ["video_loss"]


def test_statistics_are_frame_and_bit_rate_and_offer_cameras_that_nobody_registered() -> None:
    heard = bench().hear("frigate/stats", DOCUMENTED["stats"])
    assert heard.metrics == {"fps": 5.1, "video_lost": 0.0, "bitrate": 4305.6, "devices": 2.0}
    (stranger,) = heard.announced
    assert (stranger.address, stranger.kind, stranger.vendor, stranger.firmware, stranger.heard) == (
        "backyard",
        "camera",
        "Frigate",
        "0.17.0-f0d69f7",
        False,
    )


def test_what_an_unknown_camera_sees_is_announced_as_heard() -> None:
    heard = bench().hear("frigate/events", event("new", camera="pole_7"))
    assert heard.observations == []
    assert [(one.address, one.kind, one.heard) for one in heard.announced] == [("pole_7", "camera", True)]


def test_recordings_are_linked_below_the_recorders_address() -> None:
    frigate = Bench(FRIGATE, device("front_door", "camera"), options={"url": "https://nvr.example/"})
    seen = frigate.hear("frigate/events", event("end", has_clip=True, has_snapshot=True)).observations[0]
    assert seen.data["clip"] == "https://nvr.example/api/events/1790000001.5-abc123/clip.mp4"
    assert seen.data["snapshot"] == "https://nvr.example/api/events/1790000001.5-abc123/snapshot.jpg"
    with pytest.raises(ValueError, match="url"):
        Bench(FRIGATE, options={"url": "nvr.example"})


def test_another_prefix_is_obeyed_and_pictures_are_never_asked_for() -> None:
    frigate = Bench(FRIGATE, device("front_door", "camera"), base="north/frigate")
    assert frigate.hear("north/frigate/front_door/motion", "ON").events == ["motion"]
    filters = frigate.gear.filters()
    assert "north/frigate/events" in filters
    assert not any(one.endswith("#") or "snapshot" in one for one in filters)
    with pytest.raises(Refusal, match="wrong_topic"):
        frigate.hear("frigate/front_door/motion", "ON")


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"", "payload"),
        (b"[]", "payload"),
        (b"{}", "after"),
        (b'{"after": {"id": 3, "camera": "front_door"}}', "after.id"),
        (b'{"after": {"id": "../../x", "camera": "front_door"}}', "after.id"),
        (b'{"after": {"id": "1.0-a"}}', "after.camera"),
    ],
)
def test_a_message_that_names_no_object_is_refused_with_the_field(payload: bytes, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        bench().hear("frigate/events", payload)
    assert (refused.value.reason, refused.value.field) == ("malformed", field)


def test_a_camera_obeys_no_command() -> None:
    with pytest.raises(Refusal, match="only watched"):
        bench().order("camera-1", "indicate")


def test_what_is_remembered_of_objects_is_bounded() -> None:
    frigate = bench()
    for number in range(MAX_TOLD + 10):
        frigate.hear("frigate/events", event("new", id=f"{number}.0-a"))
    assert frigate.hear("frigate/events", event("end", id=f"{MAX_TOLD + 9}.0-a")).events == []
    assert len(frigate.gear._told) == MAX_TOLD  # type: ignore[attr-defined]


def test_the_events_of_a_real_recorder_are_each_told_once() -> None:
    """Real ones where they are at hand; else those of the repository, in the same form."""
    real = recording("frigate_events/events_front_door.json") or DOCUMENTED["http_events"]
    frigate = bench()
    seen = [frigate.hear("frigate/events", {"type": "end", "before": one, "after": one}) for one in real * 2]
    told = [one for heard in seen for one in heard.observations]
    assert len(told) == len({one["id"] for one in real}) == len(real)
    by_id = {one.data["object_id"]: one for one in told}
    for one in real:
        observation = by_id[one["id"]]
        assert observation.data["label"] == one["label"]
        assert observation.data["score"] == round(one["data"]["top_score"], 3)
        assert observation.data["clip"] == f"events/{one['id']}/clip.mp4"
        assert observation.clock_suspect, "it was recorded years before the message came"


@given(
    topic=st.sampled_from(["available", "stats", "events", "reviews", "front_door/motion", "front_door/status/detect"])
    | st.text(max_size=40),
    payload=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["after", "id", "camera", "start_time", "data", "detections", "cameras", "front_door", "camera_fps"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_no_bytes_make_it_raise_anything_but_a_refusal(topic: str, payload: bytes) -> None:
    gear = bench(intrusion="alert").gear
    book = Book([device("front_door", "camera", intrusion="alert")])
    incoming = Incoming(source=f"frigate/{topic}", payload=payload, received_at_ms=START_MS)
    try:
        gear.receive(incoming, book)
    except Refusal as refusal:
        assert refusal.field
        assert refusal.hint
