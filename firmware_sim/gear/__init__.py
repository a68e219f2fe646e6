"""Simulated gear of other makers, by the key of the profile that must understand it. One file here, one line below."""

from collections.abc import Mapping
from types import MappingProxyType

from firmware_sim.gear.base import SimGear
from firmware_sim.gear.chirpstack import SimChirpStack
from firmware_sim.gear.contec_cms50 import SimCms50
from firmware_sim.gear.dc09 import SimDc09
from firmware_sim.gear.esphome import SimEsphome
from firmware_sim.gear.frigate import SimFrigate
from firmware_sim.gear.grafana import SimGrafana
from firmware_sim.gear.hikvision import SimHikvision
from firmware_sim.gear.homeassistant import SimHomeAssistant
from firmware_sim.gear.ld2450 import SimLd2450
from firmware_sim.gear.modbus import SimModbus
from firmware_sim.gear.nmea import SimNmea
from firmware_sim.gear.onetouch_ultraeasy import SimUltraEasy
from firmware_sim.gear.onvif import SimOnvif
from firmware_sim.gear.ops243 import SimOps243
from firmware_sim.gear.owntracks import SimOwnTracks
from firmware_sim.gear.rtl_433 import SimRtl433
from firmware_sim.gear.scaip import SimScaip
from firmware_sim.gear.shelly import SimShelly
from firmware_sim.gear.shelly_gen1 import SimShellyGen1
from firmware_sim.gear.sparkplug_b import SimSparkplugB
from firmware_sim.gear.taidoc_td42xx import SimTaidoc
from firmware_sim.gear.tasmota import SimTasmota
from firmware_sim.gear.tasmota_zigbee import SimTasmotaZigbee
from firmware_sim.gear.zigbee2mqtt import SimZigbee2Mqtt

_GEAR: tuple[type[SimGear], ...] = (
    SimChirpStack,
    SimZigbee2Mqtt,
    SimHomeAssistant,
    SimFrigate,
    SimGrafana,
    SimHikvision,
    SimOnvif,
    SimSparkplugB,
    SimCms50,
    SimDc09,
    SimScaip,
    SimModbus,
    SimTaidoc,
    SimOps243,
    SimUltraEasy,
    SimNmea,
    SimLd2450,
    SimEsphome,
    SimOwnTracks,
    SimRtl433,
    SimShelly,
    SimShellyGen1,
    SimTasmota,
    SimTasmotaZigbee,
)

SIMULATED_GEAR: Mapping[str, type[SimGear]] = MappingProxyType({gear.profile: gear for gear in _GEAR})
