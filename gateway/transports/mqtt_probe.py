"""Does an MQTT broker answer here, and does it let us in?"""

from __future__ import annotations

import secrets
import socket
import struct

_REFUSALS = {
    1: "does not speak MQTT 3.1.1",
    2: "rejects the client id",
    3: "is not available",
    4: "rejects user name or password",
    5: "does not authorise us",
}


def probe(host: str, port: int, user: str, password: str, timeout_s: float = 2.0) -> str | None:
    """Log in over MQTT 3.1.1 and out again. None if that worked, else what is wrong."""

    def text(value: str) -> bytes:
        encoded = value.encode()
        return struct.pack("!H", len(encoded)) + encoded

    body = text("MQTT") + bytes([4, 0b1100_0010]) + struct.pack("!H", 10)
    body += text(f"anju-probe-{secrets.token_hex(4)}") + text(user) + text(password)
    # One or two length bytes (variable byte integer); names and passwords that need a third are not ours.
    length = bytes([len(body) % 128 | 128, len(body) // 128]) if len(body) > 127 else bytes([len(body)])
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(b"\x10" + length + body)
            answer = b""
            while len(answer) < 4:
                more = connection.recv(4 - len(answer))
                if not more:
                    return "closes the connection"
                answer += more
            if answer[0] != 0x20:
                return "is not an MQTT broker"
            if answer[3] != 0:
                return _REFUSALS.get(answer[3], f"answers CONNACK {answer[3]}")
            connection.sendall(b"\xe0\x00")
    except OSError as error:
        return str(error)
    return None
