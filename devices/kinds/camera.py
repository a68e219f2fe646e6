"""Camera on a numbered pole.

Its events may carry in ``data``: ``label`` (what was seen: ``person``, ``car`` …), ``score`` (0 to 1), ``clip`` (where
the recording is), ``gb28181_id`` (20 digits), ``onvif_token`` (of the video source). The pole is the registry's.
"""

from devices.kind import FAULT, FAULTY, TAMPER, TAMPERED, EventType, Metric, StateType, make_kind

CAMERA = make_kind(
    "camera",
    "摄像机",
    "camera",
    supervision_s=180,  # GB/T 28181 keepalive: 60 s, three times
    metrics=(
        Metric(key="fps", unit="/s", low=0, high=240, zh="帧率", en="frames per second"),
        Metric(key="bitrate", unit="kbit/s", low=0, high=200000, zh="码率", en="bit rate"),
        Metric(key="objects", unit="1", low=0, high=1000, zh="目标数", en="objects in view"),
    ),
    events=(
        EventType(key="motion", zh="移动侦测", en="motion", routine=True),
        EventType(key="motion_cleared", zh="移动停止", en="motion ended", routine=True),
        EventType(key="object", zh="目标识别", en="object seen", routine=True),
        EventType(key="line_crossing", zh="越界", en="line crossed", contact_id=131),
        EventType(key="intrusion", zh="区域入侵", en="intrusion into an area", contact_id=130),
        EventType(key="intrusion_cleared", zh="区域入侵结束", en="intrusion ended"),
        EventType(key="video_loss", zh="视频丢失", en="video lost", contact_id=380),
        EventType(key="video_restored", zh="视频恢复", en="video is back"),
        FAULT,
        TAMPER,
    ),
    states=(
        StateType(key="motion", zh="有移动", en="motion", on="motion", off="motion_cleared"),
        StateType(key="intrusion", zh="有入侵", en="intrusion", on="intrusion", off="intrusion_cleared"),
        StateType(key="video_lost", zh="无视频", en="without video", on="video_loss", off="video_restored"),
        FAULTY,
        TAMPERED,
    ),
)
