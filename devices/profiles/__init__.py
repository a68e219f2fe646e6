"""Every profile by key. A new one is one file here and one line below; its page stands in docs/devices."""

from collections.abc import Mapping
from types import MappingProxyType

from devices.gear.profile import Profile

_PROFILES: tuple[Profile, ...] = ()

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.key: profile for profile in _PROFILES})
