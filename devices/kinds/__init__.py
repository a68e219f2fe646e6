"""The catalogue: every kind of device Anju knows, by key. A new kind is one file here and one line below."""

from collections.abc import Mapping
from types import MappingProxyType

from devices.kind import Kind
from devices.kinds.camera import CAMERA
from devices.kinds.co import CO
from devices.kinds.concentrator import CONCENTRATOR
from devices.kinds.contact import CONTACT
from devices.kinds.environment import ENVIRONMENT
from devices.kinds.gas import GAS
from devices.kinds.gateway import GATEWAY
from devices.kinds.glass_break import GLASS_BREAK
from devices.kinds.heat import HEAT
from devices.kinds.kiosk import KIOSK
from devices.kinds.leak import LEAK
from devices.kinds.medication_box import MEDICATION_BOX
from devices.kinds.meter import METER
from devices.kinds.modem import MODEM
from devices.kinds.monitor import MONITOR
from devices.kinds.motion import MOTION
from devices.kinds.plug import PLUG
from devices.kinds.presence import PRESENCE
from devices.kinds.service_button import SERVICE_BUTTON
from devices.kinds.sign import SIGN
from devices.kinds.siren import SIREN
from devices.kinds.smoke import SMOKE
from devices.kinds.sos_button import SOS_BUTTON
from devices.kinds.tracker import TRACKER
from devices.kinds.traffic_counter import TRAFFIC_COUNTER
from devices.kinds.valve import VALVE
from devices.kinds.vitals_monitor import VITALS_MONITOR
from devices.kinds.waste_bin import WASTE_BIN

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.key: kind
        for kind in (
            SOS_BUTTON,
            SERVICE_BUTTON,
            PRESENCE,
            CONTACT,
            GLASS_BREAK,
            MOTION,
            VITALS_MONITOR,
            MEDICATION_BOX,
            SMOKE,
            HEAT,
            GAS,
            CO,
            LEAK,
            VALVE,
            SIREN,
            PLUG,
            ENVIRONMENT,
            METER,
            TRAFFIC_COUNTER,
            SIGN,
            WASTE_BIN,
            KIOSK,
            CAMERA,
            TRACKER,
            CONCENTRATOR,
            MODEM,
            MONITOR,
            GATEWAY,
        )
    }
)
