"""Profiles that are declared: each stands in YAML beside this file, under its key with ``_`` for ``-``."""

from __future__ import annotations

from pathlib import Path

from devices.gear.declared import load_profile
from devices.gear.profile import Profile


def declared(key: str) -> Profile:
    """The profile in ``<key>.yaml``. Raises ProfileError, and ValueError where the file holds another one."""
    path = Path(__file__).parent / f"{key.replace('-', '_')}.yaml"
    profile = load_profile(path.read_text(encoding="utf-8"), path.name)
    if profile.key != key:
        raise ValueError(f"{path.name}: expected key: {key}, like the file's name; got {profile.key}")
    return profile
