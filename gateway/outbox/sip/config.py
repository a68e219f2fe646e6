"""What a baresip of ours is started with. Its account, with the password, is told over the control connection: no
secret stands on disk."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from gateway.settings import SipTrunk

PROGRAM = "baresip"
MODULES = ("/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules")
QUIET = "aubridge,quiet"
"""A source without a player of its name: nothing is sent until there is something to say, not even in early media."""
_UNSAFE = re.compile(r'["\x00-\x1f\x7f]')


class NotInstalled(Exception):
    """There is no baresip on this box, or not all of it; the message says what to do."""


def modules() -> Path:
    """Where baresip's modules lie. Raises NotInstalled."""
    if shutil.which(PROGRAM) is None:
        raise NotInstalled("缺少 baresip is not installed: sudo apt-get install baresip-core")
    for pattern in MODULES:
        for found in Path("/").glob(pattern.removeprefix("/")):
            if (found / "ctrl_tcp.so").exists():
                return found
    raise NotInstalled(f"找不到 baresip 模块 ctrl_tcp.so is in none of {', '.join(MODULES)}: install baresip-core")


def write_config(directory: Path, trunk: SipTrunk, *, control_port: int, module_path: Path, dead_line_s: int) -> None:
    """Write ``config`` into ``directory``, which only we can read."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)
    lines = [
        "# Written by Anju at every start; changes here are lost.",
        "poll_method epoll",
        f"sip_listen {trunk.bind or '0.0.0.0'}:0",
        *([f"net_interface {trunk.bind}"] if trunk.bind else []),
        # Busy to everybody who calls while we talk; who calls in between is turned away by the line.
        "call_max_calls 1",
        f"audio_source {QUIET}",
        "audio_player aubridge,heard",
        "audio_alert aubridge,alert",
        "ausrc_format s16",
        "auplay_format s16",
        "auenc_format s16",
        "audec_format s16",
        "rtp_tos 184",
        f"rtp_ports {trunk.rtp_ports}",
        "jitter_buffer_delay 5-10",
        f"rtp_timeout {dead_line_s}",
        f"module_path {module_path}",
        "module g711.so",
        "module aufile.so",
        "module aubridge.so",
        "module_app menu.so",
        "module_app ctrl_tcp.so",
        f"ctrl_tcp_listen 127.0.0.1:{control_port}",
    ]
    (directory / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (directory / "contacts").write_text("", encoding="utf-8")


def account(trunk: SipTrunk, user: str, password: str, *, registers: bool) -> str:
    """baresip's account for ``user`` of the trunk. Raises ValueError for a password that it cannot take."""
    if _UNSAFE.search(password):
        raise ValueError(
            f'密码含有引号或控制字符 the password in secret {trunk.secret} holds a quotation mark (") or a control '
            "character, which baresip cannot take: have the trunk's password changed"
        )
    via = f";transport={trunk.transport}"
    parts = [
        f"<sip:{user}@{trunk.domain or trunk.proxy}{via}>",
        f'outbound="sip:{trunk.proxy}{via}"',
        f"auth_user={trunk.user}",
        f'auth_pass="{password}"',
        f"regint={trunk.register_s if registers else 0}",
        f"audio_source={QUIET}",
        "mwi=no",
        "call_transfer=no",
    ]
    return ";".join(parts)


def aor(trunk: SipTrunk, user: str) -> str:
    """The address by which baresip knows ``user`` again (``uafind``)."""
    return f"sip:{user}@{trunk.domain or trunk.proxy}"
