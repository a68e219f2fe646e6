"""A simulated Frigate recorder: several cameras, what they see, its reviews, its statistics, and its restarts.

Written after docs.frigate.video/integrations/mqtt and what a recorder publishes at its start.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware_sim.device import Action, ActionError, Args, number
from firmware_sim.gear.base import GearPart, Link
from firmware_sim.gear.mqtt import MqttGear, Say

STATS_EVERY_MS = 60_000
MOTION_HELD_MS = 30_000
"""``mqtt_off_delay``: how long ON stays after the last movement."""
VERSION = "0.17.0-f0d69f7"
EXPECTED_FPS = 5
_ALERTS = ("person", "car")
"""Labels that a recorder counts as alerts unless it is told otherwise."""


@dataclass(slots=True)
class _Object:
    """One tracked object."""

    now: dict[str, Any]
    told: bool = False
    """Whether it was published; a false positive is not."""


@dataclass(slots=True)
class _Camera:
    pid: int
    streaming: bool = True
    enabled: bool = True
    moved_ms: int | None = None
    object: _Object | None = None
    review: dict[str, Any] | None = None
    seen: list[str] = field(default_factory=list)
    """Ids of all objects published."""


class SimFrigate(MqttGear):
    """The recorder. Device actions: ``motion``, ``object`` (label, score, zone, false_positive), ``enter_zone``,
    ``object_gone``, ``video_loss``, ``video_restored``, ``switch_off``, ``switch_on``, ``duplicate``. Of the recorder
    itself (``""``): ``halt``, ``resume``, ``drop``, ``stats``."""

    profile = "frigate"

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base or "frigate", seed=seed, clock=clock)
        self._cameras = {
            name: _Camera(pid=400 + 6 * number)
            for number, name in enumerate(sorted(name for name, part in self.parts.items() if part.kind == "camera"))
        }
        self._started_ms = clock()
        self._stats_ms = self._started_ms + STATS_EVERY_MS
        self._last: Say | None = None

    @classmethod
    def example(cls) -> tuple[GearPart, ...]:
        cameras = ("pole_12", "gate_north", "front_door")
        return (GearPart(address="bridge", kind="concentrator"), *(GearPart(address=c, kind="camera") for c in cameras))

    # --- the recorder ---------------------------------------------------------------------------------------------

    def will(self) -> Say:
        return Say(f"{self.base}/available", b"offline", retain=True, qos=1)

    def connected(self, now_ms: int) -> None:
        for name, camera in self._cameras.items():
            on = "ON" if camera.enabled else "OFF"
            self._say(f"{name}/enabled/state", on, retain=True)
            for switch in ("recordings", "snapshots", "detect", "motion"):
                self._say(f"{name}/{switch}/state", on, retain=True)
            self._say(f"{name}/motion", "OFF")
        self._say("available", "online", retain=True)
        self._stats_ms = now_ms + STATS_EVERY_MS

    def next_due_ms(self, now_ms: int) -> int | None:
        still = [c.moved_ms + MOTION_HELD_MS for c in self._cameras.values() if c.moved_ms is not None]
        return min([self._stats_ms, *still])

    def tick(self, now_ms: int) -> None:
        for name, camera in self._cameras.items():
            if camera.moved_ms is not None and camera.moved_ms + MOTION_HELD_MS <= now_ms:
                camera.moved_ms = None
                self._say(f"{name}/motion", "OFF")
        if self._stats_ms <= now_ms:
            self._stats_ms = now_ms + STATS_EVERY_MS
            self._stats(now_ms)

    def _stats(self, now_ms: int) -> None:
        cameras = {}
        for name, camera in self._cameras.items():
            fps = round(EXPECTED_FPS * self.rng.uniform(0.97, 1.03), 2) if camera.streaming and camera.enabled else 0.0
            cameras[name] = {
                "camera_fps": fps,
                "process_fps": fps,
                "skipped_fps": 0.0,
                "detection_fps": round(self.rng.uniform(0, 2), 2) if fps else 0.0,
                "detection_enabled": camera.enabled,
                "pid": camera.pid,
                "capture_pid": camera.pid + 1,
                "ffmpeg_pid": camera.pid + 2,
                "expected_fps": EXPECTED_FPS,
                "connection_quality": "excellent" if fps else "unusable",
            }
        used = {f"{c.pid + 2}": {"bandwidth": round(self.rng.uniform(300, 700), 1)} for c in self._cameras.values()}
        uptime = (now_ms - self._started_ms) // 1000
        service = {"uptime": uptime, "version": VERSION, "latest_version": "0.17.0", "last_updated": now_ms // 1000}
        self._json("stats", {"cameras": cameras, "bandwidth_usages": used, "service": service})

    # --- what cameras see -----------------------------------------------------------------------------------------

    def actions(self, device: str) -> Mapping[str, Action]:
        if device not in self._cameras:
            return {
                **self.of_bridge(),
                "stats": lambda now_ms, args: self._stats(now_ms),
            }
        camera = self._cameras[device]
        return {
            "motion": lambda now_ms, args: self._motion(device, camera, now_ms),
            "object": lambda now_ms, args: self._object(device, camera, now_ms, args),
            "better_snapshot": lambda now_ms, args: self._update(device, camera, now_ms, {}),
            "enter_zone": lambda now_ms, args: self._enter(device, camera, now_ms, args),
            "object_gone": lambda now_ms, args: self._gone(device, camera, now_ms),
            "video_loss": lambda now_ms, args: self._stream(device, camera, False),
            "video_restored": lambda now_ms, args: self._stream(device, camera, True),
            "switch_off": lambda now_ms, args: self._enable(device, camera, False),
            "switch_on": lambda now_ms, args: self._enable(device, camera, True),
            "duplicate": lambda now_ms, args: self._duplicate(),
        }

    def look(self, device: str) -> Mapping[str, object]:
        camera = self._cameras.get(device)
        if camera is None:
            return {"online": self.online}
        tracked = camera.object.now["id"] if camera.object is not None else None
        return {"streaming": camera.streaming, "tracking": tracked, "seen": list(camera.seen)}

    def _motion(self, name: str, camera: _Camera, now_ms: int) -> None:
        if camera.moved_ms is None:
            self._say(f"{name}/motion", "ON")
        camera.moved_ms = now_ms

    def _object(self, name: str, camera: _Camera, now_ms: int, args: Args) -> None:
        if camera.object is not None:
            self._gone(name, camera, now_ms)
        label, zone = str(args.get("label", "person")), args.get("zone")
        score = number(args, "score", round(self.rng.uniform(0.62, 0.95), 6))
        seconds = now_ms / 1000
        zones = [str(zone)] if zone else []
        now = {
            "id": f"{seconds:.6f}-{''.join(self.rng.choices(string.ascii_lowercase + string.digits, k=6))}",
            "camera": name,
            "frame_time": seconds,
            "label": label,
            "sub_label": None,
            "top_score": score,
            "false_positive": True,
            "start_time": seconds,
            "end_time": None,
            "score": score,
            "box": [424, 500, 536, 712],
            "area": 23744,
            "ratio": 0.53,
            "region": [264, 450, 667, 853],
            "active": True,
            "stationary": False,
            "motionless_count": 0,
            "position_changes": 1,
            "current_zones": zones,
            "entered_zones": list(zones),
            "has_clip": False,
            "has_snapshot": False,
            "attributes": {},
            "max_severity": self._severity(label, zones),
        }
        camera.object = _Object(now)
        self._motion(name, camera, now_ms)
        if not args.get("false_positive"):
            self._update(name, camera, now_ms, {"false_positive": False})

    def _severity(self, label: str, zones: Sequence[str]) -> str:
        """As with ``required_zones`` set for alerts: people and cars are one only inside of a zone."""
        return "alert" if label in _ALERTS and zones else "detection"

    def _update(self, name: str, camera: _Camera, now_ms: int, changes: Mapping[str, Any]) -> None:
        tracked = camera.object
        if tracked is None:
            raise ActionError(f"{name}: sees nothing; do object first")
        before = dict(tracked.now)
        tracked.now |= {"frame_time": now_ms / 1000, "top_score": min(0.99, tracked.now["top_score"] + 0.01), **changes}
        if tracked.now["false_positive"]:
            return
        step = "update" if tracked.told else "new"
        if not tracked.told:
            tracked.told = True
            camera.seen.append(tracked.now["id"])
        self._json("events", {"before": before, "after": tracked.now, "type": step})
        self._review(name, camera, now_ms)

    def _enter(self, name: str, camera: _Camera, now_ms: int, args: Args) -> None:
        if camera.object is None:
            raise ActionError(f"{name}: sees nothing; do object first")
        zones = [*camera.object.now["entered_zones"], str(args.get("zone", "yard"))]
        severity = self._severity(camera.object.now["label"], zones)
        changes = {"current_zones": zones[-1:], "entered_zones": zones, "max_severity": severity}
        self._update(name, camera, now_ms, changes)

    def _gone(self, name: str, camera: _Camera, now_ms: int) -> None:
        tracked, camera.object = camera.object, None
        if tracked is None:
            raise ActionError(f"{name}: sees nothing; do object first")
        before = dict(tracked.now)
        kept = {"has_clip": True, "has_snapshot": True}
        tracked.now |= {"frame_time": now_ms / 1000, "end_time": now_ms / 1000, **kept}
        if tracked.told:
            self._json("events", {"before": before, "after": tracked.now, "type": "end"})
        if camera.review is not None:
            ended, camera.review = {**camera.review, "end_time": now_ms / 1000}, None
            self._json("reviews", {"type": "end", "before": ended, "after": ended})
            self._say(f"{name}/review_status", "NONE")

    def _review(self, name: str, camera: _Camera, now_ms: int) -> None:
        assert camera.object is not None
        seen, before = camera.object.now, camera.review
        if before is None:
            review_id = f"{now_ms / 1000:.6f}-{''.join(self.rng.choices(string.ascii_lowercase, k=6))}"
            started = {"id": review_id, "camera": name, "start_time": now_ms / 1000, "end_time": None}
        else:
            started = {key: before[key] for key in ("id", "camera", "start_time", "end_time")}
        now = {
            **started,
            "severity": seen["max_severity"],
            "thumb_path": f"/media/frigate/clips/review/thumb-{name}-{started['id']}.webp",
            "data": {
                "detections": [seen["id"]],
                "objects": [seen["label"]],
                "sub_labels": [],
                "zones": list(seen["entered_zones"]),
                "audio": [],
            },
        }
        if before is not None and before["severity"] == now["severity"]:
            return
        camera.review = now
        self._json("reviews", {"type": "new" if before is None else "update", "before": before or now, "after": now})
        self._say(f"{name}/review_status", str(now["severity"]).upper())

    def _stream(self, name: str, camera: _Camera, there: bool) -> None:
        camera.streaming = there
        self._say(f"{name}/status/detect", "online" if there else "offline")

    def _enable(self, name: str, camera: _Camera, on: bool) -> None:
        camera.enabled = on
        self._say(f"{name}/enabled/state", "ON" if on else "OFF", retain=True)
        if not on:
            self._say(f"{name}/status/detect", "disabled")

    def _duplicate(self) -> None:
        """The fault of a broken network: the last message once more."""
        if self._last is None:
            raise ActionError("nothing was said yet")
        self.say(self._last.topic, self._last.payload, retain=self._last.retain)

    def _json(self, topic: str, value: object) -> None:
        self._say(topic, json.dumps(value))

    def _say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._last = Say(f"{self.base}/{topic}", payload.encode(), retain)
        self.say(self._last.topic, self._last.payload, retain=retain)
