"""One-key call for daily services: plumbing, drains, housekeeping."""

from devices.kind import BATTERY_LOW, LOW_BATTERY, PRESSES, EventType, make_kind
from devices.kinds.sos_button import INDICATE

SERVICE_BUTTON = make_kind(
    "service_button",
    "生活服务按钮",
    "service button",
    supervision_s=7200,
    events=(
        EventType(key="plumbing", zh="水管维修", en="plumbing", contact_id=616),
        EventType(key="drain", zh="疏通下水", en="blocked drain", contact_id=616),
        EventType(key="housekeeping", zh="家政", en="housekeeping", contact_id=616),
        EventType(key="cancel", zh="取消", en="cancelled", contact_id=406),
        LOW_BATTERY,
    ),
    metrics=(PRESSES,),
    commands=(INDICATE,),
    states=(BATTERY_LOW,),
)
