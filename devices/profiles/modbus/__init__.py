"""Modbus RTU: meters, sensors, counters, relays and valves on one RS-485 line, by maps of their registers.

Source: "MODBUS Application Protocol Specification V1.1b3" and "MODBUS over Serial Line Specification and Implementation
Guide V1.02", Modbus Organization. Each map names the document it was made from.
"""

from devices.gear.profile import Profile, SerialSetting
from devices.profiles.modbus.maps import MAPS, commands, kinds

MODBUS = Profile(
    key="modbus",
    zh="Modbus RTU 总线",
    en="Modbus RTU line",
    carrier="modbus",
    kinds=kinds(),
    commands=commands(),
    models=tuple(one.model for one in MAPS.values()),
    source='Modbus Organization, "MODBUS Application Protocol Specification V1.1b3"; each map names its own document',
    spec_only=True,
    options={
        "baud": "of every slave on the line; 9600 by default",
        "parity": "N (default), E or O",
        "stopbits": "1 (default) or 2",
        "timeout_ms": "how long a slave may think before it answers, 20 to 10,000; 500 by default",
    },
    device_options={
        "map": f"one of {', '.join(MAPS)}, or a map of your own, of several lines",
        "every_s": "seconds between two readings; as the map has it by default",
        "words": "turned: the words of numbers come in the other order than the map says",
    },
    serial=SerialSetting(baud=9600),
)
