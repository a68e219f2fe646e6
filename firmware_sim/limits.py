"""Room for thousands of connections in one process: each is an open file."""

from __future__ import annotations

import resource

BESIDES = 64
"""Files that are open anyway."""


def make_room(connections: int) -> None:
    """Let this process have so many connections. Raises ValueError where the system does not let it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + BESIDES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise ValueError(
            f"{connections} devices need {wanted} open files, and this system allows one process {hard}: "
            "take fewer with --devices, or raise the hard limit (`ulimit -Hn`, /etc/security/limits.conf)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
