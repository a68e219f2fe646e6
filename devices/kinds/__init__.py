"""The catalogue: every kind of device Anju knows, by key. A new kind is one file here and one line below."""

from collections.abc import Mapping
from types import MappingProxyType

from devices.kind import Kind
from devices.kinds.camera import CAMERA
from devices.kinds.contact import CONTACT
from devices.kinds.kiosk import KIOSK
from devices.kinds.service_button import SERVICE_BUTTON
from devices.kinds.smoke import SMOKE
from devices.kinds.sos_button import SOS_BUTTON
from devices.kinds.traffic_counter import TRAFFIC_COUNTER
from devices.kinds.vitals_monitor import VITALS_MONITOR

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.key: kind
        for kind in (
            SOS_BUTTON,
            SERVICE_BUTTON,
            CONTACT,
            VITALS_MONITOR,
            SMOKE,
            TRAFFIC_COUNTER,
            KIOSK,
            CAMERA,
        )
    }
)
