"""4G modem: the way to telephones. Who the operator is stands in the ``data`` of its events (``operator``)."""

from devices.kind import FAULT, FAULTY, EventType, Metric, StateType, make_kind

MODEM = make_kind(
    "modem",
    "4G 通信模块",
    "4G modem",
    supervision_s=300,
    metrics=(
        # Reporting ranges of 3GPP TS 27.007 (AT+CESQ) and TS 36.133; they end wider than any network is usable.
        Metric(key="rsrp", unit="dB[mW]", low=-156, high=-31, zh="参考信号接收功率", en="RSRP"),
        Metric(key="rsrq", unit="dB", low=-43, high=20, resolution=0.5, zh="参考信号接收质量", en="RSRQ"),
        Metric(key="sinr", unit="dB", low=-25, high=40, resolution=0.1, zh="信干噪比", en="SINR"),
    ),
    events=(
        EventType(key="registered", zh="已驻网", en="registered with the network"),
        EventType(key="registration_lost", zh="脱网", en="lost the network", contact_id=350),
        EventType(key="sim_missing", zh="SIM 卡不可用", en="SIM missing or locked", contact_id=350),
        EventType(key="sim_ready", zh="SIM 卡可用", en="SIM ready"),
        FAULT,
    ),
    states=(
        StateType(key="registered", zh="已驻网", en="registered", on="registered", off="registration_lost"),
        StateType(key="sim_ready", zh="SIM 卡可用", en="SIM ready", on="sim_ready", off="sim_missing"),
        FAULTY,
    ),
)
