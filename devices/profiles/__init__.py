"""Every profile by key. A new one is one file here and one line below; its page stands in docs/devices."""

from collections.abc import Mapping
from types import MappingProxyType

from devices.gear.profile import Profile
from devices.profiles.chirpstack import CHIRPSTACK
from devices.profiles.contec_cms50 import CONTEC_CMS50
from devices.profiles.declared import declared
from devices.profiles.frigate import FRIGATE
from devices.profiles.hikvision import HIKVISION
from devices.profiles.modbus import MODBUS
from devices.profiles.onvif import ONVIF
from devices.profiles.zigbee2mqtt import ZIGBEE2MQTT

_DECLARED = ("esphome", "owntracks", "rtl-433", "shelly", "shelly-gen1", "tasmota", "tasmota-zigbee")
"""Each in YAML, under its key."""
_PROFILES: tuple[Profile, ...] = (
    CHIRPSTACK,
    ZIGBEE2MQTT,
    FRIGATE,
    HIKVISION,
    ONVIF,
    CONTEC_CMS50,
    MODBUS,
    *(declared(key) for key in _DECLARED),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.key: profile for profile in _PROFILES})
