"""The timings that both ends of a field-bus line share, with their reasons (`docs/protocol-serial.md`, "Timings")."""

from __future__ import annotations

PING_EVERY_MS = 5_000
"""Three missed make a silence, so that one lost PING is no news, and 15 s is well inside the 90 s and more in which
any device behind the line is expected to be heard."""
SILENT_AFTER_MS = 3 * PING_EVERY_MS
RESEND_BASE_MS = 500
"""Time for the gateway's disk: an fsync takes 1 to 20 ms on a good one and up to some 400 on a tired SD card. The time
on the wire is added per frame, see `ConcentratorLink`."""
RESEND_MAX_MS = 8_000
"""Back-off doubles up to here: a press is never further than 8 s from its next attempt."""


def back_off_ms(base_ms: int, attempts: int) -> int:
    """``base_ms`` after the first attempt, then twice as long each time up to `RESEND_MAX_MS`."""
    return max(base_ms, min(RESEND_MAX_MS, base_ms << min(attempts - 1, 10)))
