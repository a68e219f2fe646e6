"""Every profile by key. A new one is one file here and one line below; its page stands in docs/devices."""

from collections.abc import Mapping
from types import MappingProxyType

from devices.gear.profile import Profile
from devices.profiles.chirpstack import CHIRPSTACK
from devices.profiles.contec_cms50 import CONTEC_CMS50
from devices.profiles.dc09 import DC09
from devices.profiles.declared import declared
from devices.profiles.frigate import FRIGATE
from devices.profiles.grafana import GRAFANA
from devices.profiles.hikvision import HIKVISION
from devices.profiles.homeassistant import HOMEASSISTANT
from devices.profiles.ld2450 import LD2450
from devices.profiles.modbus import MODBUS
from devices.profiles.nmea import NMEA
from devices.profiles.onetouch_ultraeasy import ONETOUCH_ULTRAEASY
from devices.profiles.onvif import ONVIF
from devices.profiles.ops243 import OPS243
from devices.profiles.scaip import SCAIP
from devices.profiles.sparkplug_b import SPARKPLUG_B
from devices.profiles.taidoc_td42xx import TAIDOC_TD42XX
from devices.profiles.zigbee2mqtt import ZIGBEE2MQTT

_DECLARED = ("esphome", "owntracks", "rtl-433", "shelly", "shelly-gen1", "tasmota", "tasmota-zigbee")
"""Each in YAML, under its key."""
_PROFILES: tuple[Profile, ...] = (
    CHIRPSTACK,
    ZIGBEE2MQTT,
    HOMEASSISTANT,
    FRIGATE,
    GRAFANA,
    HIKVISION,
    ONVIF,
    SPARKPLUG_B,
    CONTEC_CMS50,
    MODBUS,
    TAIDOC_TD42XX,
    OPS243,
    ONETOUCH_ULTRAEASY,
    NMEA,
    LD2450,
    DC09,
    SCAIP,
    *(declared(key) for key in _DECLARED),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.key: profile for profile in _PROFILES})
