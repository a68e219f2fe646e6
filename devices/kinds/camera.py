"""Camera on a numbered pole."""

from devices.kind import TAMPER, EventType, Metric, make_kind

CAMERA = make_kind(
    "camera",
    "摄像机",
    "camera",
    supervision_s=180,  # GB/T 28181 keepalive: 60 s, three times
    metrics=(
        Metric(key="fps", unit="/s", low=0, high=240, zh="帧率", en="frames per second"),
        Metric(key="bitrate", unit="kbit/s", low=0, high=200000, zh="码率", en="bit rate"),
    ),
    events=(
        EventType(key="motion", zh="移动侦测", en="motion"),
        EventType(key="object", zh="目标识别", en="object seen"),
        EventType(key="video_loss", zh="视频丢失", en="video lost", contact_id=380),
        TAMPER,
    ),
)
