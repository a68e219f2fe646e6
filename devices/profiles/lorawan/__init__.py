"""Codecs of LoRaWAN nodes, by model. A new one is a row in its maker's file, or a file of a maker and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from devices.gear.kindmap import KindMap, load_maps
from devices.profiles.lorawan import cayenne, dragino, milesight
from devices.profiles.lorawan.codec import Codec

_MAKERS = (milesight, dragino, cayenne)

CODECS: Mapping[str, Codec] = MappingProxyType({codec.key: codec for maker in _MAKERS for codec in maker.CODECS})


def _maps(name: str) -> Mapping[str, KindMap]:
    path = Path(__file__).with_name(f"{name}.yaml")
    return load_maps(path.read_text(encoding="utf-8"), path.name)


MAPS: Mapping[str, Mapping[str, KindMap]] = MappingProxyType(
    {name: _maps(name) for name in sorted({codec.maps for codec in CODECS.values()})}
)
"""What the fields of a codec mean, by `Codec.maps` and kind."""
