"""Switched socket that measures what goes through it."""

from devices.kind import FAULT, FAULTY, CommandType, EventType, Metric, StateType, make_kind

PLUG = make_kind(
    "plug",
    "智能插座",
    "socket",
    supervision_s=3600,
    metrics=(
        # A household socket: 250 V, 16 A. The widest that its meter chips show is a little more.
        Metric(key="power", unit="W", low=0, high=5000, resolution=0.1, zh="功率", en="power"),
        Metric(key="energy", unit="kW.h", low=0, high=1e6, resolution=0.001, zh="电能", en="energy, since it was made"),
        Metric(key="voltage", unit="V", low=0, high=300, resolution=0.1, zh="电压", en="voltage"),
        Metric(key="current", unit="A", low=0, high=20, resolution=0.001, zh="电流", en="current"),
        Metric(key="temperature", unit="Cel", low=-40, high=150, resolution=0.1, zh="机内温度", en="inner temperature"),
    ),
    events=(
        EventType(key="switched_on", zh="接通", en="switched on", routine=True),
        EventType(key="switched_off", zh="断开", en="switched off", routine=True),
        FAULT,
    ),
    commands=(
        CommandType(key="switch_on", zh="接通", en="switch on"),
        CommandType(key="switch_off", zh="断开", en="switch off"),
    ),
    states=(
        # Not "on": that word is a truth value in YAML, where profiles and rules are written.
        StateType(key="powered", zh="接通", en="switched on", on="switched_on", off="switched_off"),
        FAULTY,
    ),
)
