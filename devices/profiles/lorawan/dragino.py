"""Dragino's door, leak and button nodes. Layouts as in the maker's manuals and its public decoders."""

from __future__ import annotations

from functools import partial

from devices.profiles.lorawan.codec import Codec
from devices.profiles.lorawan.layout import Layout, Part, decode

_DOOR = {0: "CLOSE", 1: "OPEN"}
_LEAK = {0: "NO LEAK", 1: "LEAK"}
_TRUE = {0: "FALSE", 1: "TRUE"}
_DELIVERED = {0: True, 1: False}

_VOLTAGE = Part("BAT", 0, 2, mask=0x3FFF, divide=1000)
_CONTACTS = (
    # Byte 2 is the working mode: 1 door, 2 leak, 3 both. The bit of the other one means nothing.
    Layout((), 10, (_VOLTAGE, Part("MOD", 2))),
    Layout(
        (),
        10,
        (Part("DOOR_OPEN_STATUS", 0, mask=0x80, words=_DOOR), Part("ALARM", 9, mask=0x01, words=_TRUE)),
        when=(2, (1, 3)),
    ),
    Layout((), 10, (Part("WATER_LEAK_STATUS", 0, mask=0x40, words=_LEAK),), when=(2, (2, 3))),
    Layout((7,), 5, (_VOLTAGE,)),  # counts of a mode without messages at each change
)

_ABOUT = Layout((5,), 7, (Part("BAT", 5, 2, divide=1000),))


def _one_input(name: str, words: dict[int, str], *, second: bool) -> tuple[Layout, ...]:
    """The 03A family: port 2 tells the state, port 3 the log, port 5 the battery, port 4 the settings."""
    status = Part(name, 0, mask=0x01, words=words)
    alarm = Part("ALARM", 0, mask=0x02, words=_TRUE)
    layouts = (
        Layout((2,), 11, (status, alarm)),
        # Bit 7: the network did not confirm it then.
        Layout(
            (3,),
            11,
            (status, alarm, Part("delivered", 0, mask=0x80, words=_DELIVERED), Part("timestamp", 7, 4)),
            repeats=True,
        ),
        Layout((4,), 11 if second else 8, ()),
        _ABOUT,
    )
    if second:
        both = Layout((2,), 18, (status, alarm, Part(f"{name}_2", 11, mask=0x01, words=words)))
        return (*layouts, both)
    return layouts


_BUTTON = (
    Layout(
        (2,),
        8,
        (
            Part("BAT", 0, 2, divide=1000),
            Part("ALARM", 3, mask=0x01, words=_TRUE),
            Part("temperature", 4, 2, divide=10, signed=True),
            Part("humidity", 6, 2, divide=10),
        ),
    ),
    Layout(
        (3,),
        11,
        (
            Part("temperature", 0, 2, divide=10, signed=True),
            Part("ALARM", 6, mask=0x01, words=_TRUE),
            Part("delivered", 6, mask=0x80, words=_DELIVERED),
            Part("timestamp", 7, 4),
        ),
        repeats=True,
    ),
    _ABOUT,
)


def _model(model: str, kinds: tuple[str, ...], layouts: tuple[Layout, ...]) -> Codec:
    return Codec(
        key=model.lower(), model=f"Dragino {model}", maps="dragino", kinds=kinds, decode=partial(decode, layouts)
    )


_DOORS = _one_input("DOOR_OPEN_STATUS", _DOOR, second=True)
_LEAKS = _one_input("WATER_LEAK_STATUS", _LEAK, second=False)

CODECS = (
    _model("LDS01", ("contact",), _CONTACTS),
    _model("LDS02", ("contact",), _CONTACTS),
    _model("LWL01", ("leak",), _CONTACTS),
    _model("LWL02", ("leak",), _CONTACTS),
    _model("LDS03A", ("contact",), _DOORS),
    _model("DS03A-LB", ("contact",), _DOORS),
    _model("LWL03A", ("leak",), _LEAKS),
    _model("WL03A-LB", ("leak",), _LEAKS),
    _model("PB01", ("sos_button", "service_button"), _BUTTON),
)
