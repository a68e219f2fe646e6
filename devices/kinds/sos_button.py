"""One-key emergency alarm: at the bed, as a pendant, as a cord in the bathroom.

One kind for all of them: they say the same, and which one it is stands in the ``data`` of its birth
(``variant``: ``bed``, ``pendant`` or ``cord``). A pull of the cord is a press; only a pendant says ``fall``.
"""

from devices.kind import (
    BATTERY_LOW,
    LOW_BATTERY,
    PRESSES,
    TAMPER,
    TAMPERED,
    CommandType,
    EventType,
    StateType,
    make_kind,
)

INDICATE = CommandType(
    key="indicate",
    zh="灯光与语音提示",
    en="lamp and voice",
    args={
        "lamp": ("off", "amber", "green", "blue"),
        "voice": (
            "none",
            "received",
            "are_you_all_right",  # answered by cancelling, where all is well
            "calling_for_help",
            "help_is_coming",
            "cancelled",
            "drill",
        ),
    },
)
"""Amber: sending. Green: the gateway has it on disk. Blue: a person has taken it."""

SOS_BUTTON = make_kind(
    "sos_button",
    "一键呼救按钮",
    "emergency button",
    supervision_s=3600,
    events=(
        EventType(key="press", zh="按下", en="pressed", contact_id=101),
        EventType(key="long_press", zh="长按", en="long press", contact_id=101),
        EventType(key="cancel", zh="误按取消", en="cancelled by the resident", contact_id=406),
        EventType(key="fall", zh="跌倒", en="fall detected", contact_id=101),
        TAMPER,
        LOW_BATTERY,
    ),
    metrics=(PRESSES,),
    commands=(INDICATE,),
    states=(
        # A cord that stays pulled, and gear that repeats its last press with every message: one press, not many.
        StateType(key="pressed", zh="已按下", en="pressed", on="press", off=None),
        TAMPERED,
        BATTERY_LOW,
    ),
)
