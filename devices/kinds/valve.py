"""Shut-off valve in a gas or water pipe, with a sensor of its position."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    TAMPER,
    TAMPERED,
    CommandType,
    EventType,
    Metric,
    StateType,
    make_kind,
)

VALVE = make_kind(
    "valve",
    "燃气/水阀门",
    "gas or water valve",
    supervision_s=3600,  # as the detectors it works for: a valve that is not there will not shut
    metrics=(
        Metric(key="position", unit="%", low=0, high=100, zh="开度", en="position, 0 is shut"),
        # A DN50 pipe carries about 40 m3/h of water; household gas is below 6 m3/h.
        Metric(key="flow_rate", unit="m3/h", low=0, high=100, resolution=0.001, zh="瞬时流量", en="flow rate"),
    ),
    events=(
        EventType(key="opened", zh="阀门已开", en="valve opened"),
        EventType(key="closed", zh="阀门已关", en="valve closed"),
        EventType(key="stuck", zh="阀门未动作", en="valve did not move", contact_id=380),
        EventType(key="stuck_cleared", zh="阀门恢复动作", en="valve moves again"),
        EventType(key="manual_operation", zh="手动操作", en="turned by hand"),
        FAULT,
        TAMPER,
        LOW_BATTERY,
    ),
    commands=(
        CommandType(key="open", zh="开阀", en="open the valve"),
        CommandType(key="close", zh="关阀", en="shut the valve"),
    ),
    states=(
        StateType(key="open", zh="开着", en="open", on="opened", off="closed"),
        StateType(key="moving", zh="动作中", en="moving", on=None, off=None),
        StateType(key="stuck", zh="卡住", en="stuck", on="stuck", off="stuck_cleared"),
        FAULTY,
        TAMPERED,
        BATTERY_LOW,
    ),
)
