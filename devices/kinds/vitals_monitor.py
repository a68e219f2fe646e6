"""Home health monitor: pulse, oximetry, blood pressure, glucose, temperature, weight, ECG strip.

LOINC and UCUM codes after docs/protocol.md; ranges are what the instruments can show, not what is healthy:
a value outside them is an instrument fault, and limits for health belong to rules.
"""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    EventType,
    Metric,
    StateType,
    WaveformType,
    make_kind,
)

VITALS_MONITOR = make_kind(
    "vitals_monitor",
    "健康监测仪",
    "vitals monitor",
    supervision_s=900,
    metrics=(
        Metric(key="pulse", unit="/min", low=0, high=300, zh="脉率", en="pulse", loinc="8867-4"),
        # By the ECG. Where it differs from the pulse at the finger by more than 20, one of the two is wrong.
        Metric(key="heart_rate", unit="/min", low=0, high=300, zh="心率", en="heart rate", loinc="8867-4"),
        Metric(key="spo2", unit="%", low=0, high=100, zh="血氧", en="SpO2", loinc="59408-5"),
        # Oximeters show 0.02 to 20 %.
        Metric(
            key="perfusion",
            unit="%",
            low=0,
            high=20,
            resolution=0.01,
            zh="灌注指数",
            en="perfusion index",
            loinc="61006-3",
        ),
        Metric(key="signal_quality", unit="%", low=0, high=100, zh="信号质量", en="signal quality"),
        Metric(key="respiration", unit="/min", low=0, high=100, zh="呼吸", en="respiration", loinc="9279-1"),
        Metric(key="systolic", unit="mm[Hg]", low=30, high=300, zh="收缩压", en="systolic", loinc="8480-6"),
        Metric(key="diastolic", unit="mm[Hg]", low=10, high=200, zh="舒张压", en="diastolic", loinc="8462-4"),
        Metric(
            key="glucose", unit="mmol/L", low=0.3, high=50, resolution=0.1, zh="血糖", en="glucose", loinc="15074-8"
        ),
        Metric(
            key="temperature", unit="Cel", low=25, high=45, resolution=0.1, zh="体温", en="temperature", loinc="8310-5"
        ),
        # What a nurse or a kiosk enters beside the instruments, so that a NEWS2 set can be complete. No LOINC: its
        # codes (67775-7 level of responsiveness, 3151-8 oxygen flow) mean lists and litres a minute, not yes and no.
        # 1: new confusion, answers to voice or to pain only, unresponsive (CVPU); 0: alert.
        Metric(key="consciousness", unit="1", low=0, high=1, zh="意识改变", en="consciousness changed"),
        Metric(key="oxygen", unit="1", low=0, high=1, zh="吸氧", en="supplemental oxygen"),
        # Personal scales show up to 300 kg.
        Metric(key="weight", unit="kg", low=0, high=300, resolution=0.1, zh="体重", en="weight", loinc="29463-7"),
    ),
    events=(
        EventType(key="measurement", zh="单次测量", en="spot measurement"),
        EventType(key="cardiac_pattern", zh="心电异常", en="abnormal ECG pattern", contact_id=100),
        EventType(key="probe_off", zh="探头脱落", en="probe off", routine=True),
        EventType(key="probe_on", zh="探头接上", en="probe on again", routine=True),
        EventType(key="probe_fault", zh="探头故障", en="probe fault", contact_id=380),
        FAULT,
        LOW_BATTERY,
    ),
    waveforms=(
        WaveformType(
            key="ecg", unit="mV", low=-20, high=20, rate_hz_max=1000, samples_max=5000, zh="心电图", en="ECG strip"
        ),
        # The light that the finger lets through, as a share of the full scale: its height has no unit of its own.
        # Oximeters give 60 samples a second in 7 or 8 bits (Contec CMS50), or 100.
        WaveformType(
            key="pleth", unit="%", low=0, high=100, rate_hz_max=100, samples_max=5000, zh="脉搏波", en="pleth wave"
        ),
    ),
    states=(
        StateType(key="probe_off", zh="探头脱落", en="probe off", on="probe_off", off="probe_on"),
        StateType(key="probe_faulty", zh="探头有故障", en="probe faulty", on="probe_fault", off=None),
        FAULTY,
        BATTERY_LOW,
    ),
)
