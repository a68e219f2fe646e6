"""What a key says by its ``action``: a call, a long one, or nothing that concerns anybody."""

from __future__ import annotations

from devices.profiles.zigbee2mqtt.described import Described
from devices.profiles.zigbee2mqtt.guess import SOS_ACTIONS, is_sos_key

_NOTHING = ("", "none", "idle", "null")
_ENDS = ("release", "released", "stop")
"""The end of what another action has said."""
_LONG = ("hold", "long", "long_press", "long_click")
_ARMING = ("disarm", "arm", "exit_delay", "entry_delay", "not_ready", "already_disarmed", "invalid_code", "identify")
"""What keypads and key fobs say besides: nobody calls for help by it."""
_MAX_ACTION = 64


def action_of(payload: object, part: str) -> str:
    """The action in a payload, or empty where there is none or it is another part's: ``2_single`` is of part ``2``."""
    if not isinstance(payload, str) or payload.strip().lower() in _NOTHING:
        return ""
    action = payload.strip().lower()[:_MAX_ACTION]
    if not part:
        return action
    key = part.lower()
    if action.startswith(f"{key}_"):
        return action[len(key) + 1 :]
    return action[: -len(key) - 1] if action.endswith(f"_{key}") else ""


def pressed(about: Described | None, action: str) -> tuple[str, ...]:
    """The events of an action at what is registered as an emergency button."""
    if not action or _is(action, _ENDS) or any(action.startswith(word) for word in _ARMING):
        return ()
    if action == "cancel":
        return ("cancel",)
    if about is not None and is_sos_key(about.exposes) and action not in SOS_ACTIONS:
        return ()  # it has a key for help, and this is another
    # A button that the registry calls an emergency button: whatever is done to it is a call.
    return ("long_press",) if _is(action, _LONG) else ("press",)


def _is(action: str, words: tuple[str, ...]) -> bool:
    return any(action == word or action.endswith(f"_{word}") for word in words)
