"""Medication box: its alarm clock and compartments know whether a dose was taken."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    LOW_BATTERY,
    EventType,
    Metric,
    StateType,
    make_kind,
)

MEDICATION_BOX = make_kind(
    "medication_box",
    "智能药盒",
    "medication box",
    supervision_s=7200,
    metrics=(
        # The largest: four doses a day for a week, and one for what is taken as needed.
        Metric(key="compartment", unit="1", low=1, high=29, zh="药格", en="compartment"),
        Metric(key="doses_left", unit="1", low=0, high=29, zh="剩余剂数", en="doses left"),
    ),
    events=(
        EventType(key="lid_opened", zh="药盒打开", en="lid opened", routine=True),
        EventType(key="lid_closed", zh="药盒合上", en="lid closed", routine=True),
        EventType(key="compartment_opened", zh="药格打开", en="compartment opened", routine=True),
        EventType(key="dose_taken", zh="已服药", en="dose taken"),
        EventType(key="dose_missed", zh="漏服药", en="dose missed", contact_id=641),
        FAULT,
        LOW_BATTERY,
    ),
    states=(
        StateType(key="lid_open", zh="盒盖开着", en="lid open", on="lid_opened", off="lid_closed"),
        StateType(key="dose_overdue", zh="该服药未服", en="dose overdue", on="dose_missed", off="dose_taken"),
        FAULTY,
        BATTERY_LOW,
    ),
)
