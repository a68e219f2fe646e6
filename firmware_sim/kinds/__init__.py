"""The simulated firmware of each kind, by key. A new kind is one file here and one line below."""

from collections.abc import Mapping
from types import MappingProxyType

from firmware_sim.device import SimDevice
from firmware_sim.kinds.camera import Camera
from firmware_sim.kinds.co import CoDetector
from firmware_sim.kinds.concentrator import ConcentratorUnit
from firmware_sim.kinds.contact import Contact
from firmware_sim.kinds.environment import EnvironmentStation
from firmware_sim.kinds.gas import GasDetector
from firmware_sim.kinds.gateway import GatewayBoard
from firmware_sim.kinds.glass_break import GlassBreakDetector
from firmware_sim.kinds.heat import HeatDetector
from firmware_sim.kinds.kiosk import Kiosk
from firmware_sim.kinds.leak import LeakDetector
from firmware_sim.kinds.medication_box import MedicationBox
from firmware_sim.kinds.meter import Meter
from firmware_sim.kinds.modem import Modem
from firmware_sim.kinds.monitor import Monitor
from firmware_sim.kinds.motion import MotionDetector
from firmware_sim.kinds.plug import Plug
from firmware_sim.kinds.presence import PresenceRadar
from firmware_sim.kinds.service_button import ServiceButton
from firmware_sim.kinds.sign import Sign
from firmware_sim.kinds.siren import Siren
from firmware_sim.kinds.smoke import SmokeDetector
from firmware_sim.kinds.sos_button import SosButton
from firmware_sim.kinds.tracker import Tracker
from firmware_sim.kinds.traffic_counter import TrafficCounter
from firmware_sim.kinds.valve import Valve
from firmware_sim.kinds.vitals_monitor import VitalsMonitor
from firmware_sim.kinds.waste_bin import WasteBin

SIMULATED: Mapping[str, type[SimDevice]] = MappingProxyType(
    {
        device.kind_key: device
        for device in (
            SosButton,
            ServiceButton,
            PresenceRadar,
            Contact,
            GlassBreakDetector,
            MotionDetector,
            VitalsMonitor,
            MedicationBox,
            SmokeDetector,
            HeatDetector,
            GasDetector,
            CoDetector,
            LeakDetector,
            Valve,
            Siren,
            Plug,
            EnvironmentStation,
            Meter,
            TrafficCounter,
            Sign,
            WasteBin,
            Kiosk,
            Camera,
            Tracker,
            ConcentratorUnit,
            Modem,
            Monitor,
            GatewayBoard,
        )
    }
)
