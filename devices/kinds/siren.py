"""Siren and voice unit: what tells the people in a home or a yard."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    MAINS_LOST,
    POWER_LOST,
    POWER_RESTORED,
    TAMPER,
    TAMPERED,
    CommandType,
    EventType,
    StateType,
    make_kind,
)

SIREN = make_kind(
    "siren",
    "声光报警器",
    "siren and voice unit",
    supervision_s=3600,
    events=(
        EventType(key="sounding", zh="开始鸣响", en="sounding"),
        EventType(key="silenced", zh="停止鸣响", en="silenced"),
        POWER_LOST,
        POWER_RESTORED,
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    commands=(
        CommandType(
            key="sound",
            zh="鸣响",
            en="sound",
            args={
                # Tones of the Zigbee Cluster Library's warning device (IAS WD), as sirens have them.
                "tone": ("emergency", "fire", "burglar", "chime"),
                "volume": ("high", "medium", "low"),
                "duration_s": ("10", "30", "60", "180", "300"),
                "lamp": ("flash", "off"),  # for people who do not hear
            },
        ),
        CommandType(key="silence", zh="静音", en="silence"),
        CommandType(
            key="say",
            zh="语音播报",
            en="say",
            args={
                "voice": (
                    "help_is_coming",
                    "fire_leave_now",
                    "gas_leave_now",
                    "co_leave_now",
                    "intruder_seen",
                    "water_leak",
                    "take_medicine",
                    "all_clear",
                    "drill",
                ),
                "volume": ("high", "medium", "low"),
            },
        ),
    ),
    states=(
        StateType(key="sounding", zh="鸣响中", en="sounding", on="sounding", off="silenced"),
        MAINS_LOST,
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
