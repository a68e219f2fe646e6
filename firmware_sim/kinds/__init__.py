"""The simulated firmware of each kind, by key. A new kind is one file here and one line below."""

from collections.abc import Mapping
from types import MappingProxyType

from firmware_sim.device import SimDevice
from firmware_sim.kinds.camera import Camera
from firmware_sim.kinds.contact import Contact
from firmware_sim.kinds.kiosk import Kiosk
from firmware_sim.kinds.service_button import ServiceButton
from firmware_sim.kinds.smoke import SmokeDetector
from firmware_sim.kinds.sos_button import SosButton
from firmware_sim.kinds.traffic_counter import TrafficCounter
from firmware_sim.kinds.vitals_monitor import VitalsMonitor

SIMULATED: Mapping[str, type[SimDevice]] = MappingProxyType(
    {
        device.kind_key: device
        for device in (
            SosButton,
            ServiceButton,
            Contact,
            VitalsMonitor,
            SmokeDetector,
            TrafficCounter,
            Kiosk,
            Camera,
        )
    }
)
