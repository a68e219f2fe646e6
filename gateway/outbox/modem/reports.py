"""What the status of a delivery report means (TP-ST, 3GPP TS 23.040, 9.2.3.15)."""

from __future__ import annotations

from enum import StrEnum


class Fate(StrEnum):
    """What became of one part."""

    DELIVERED = "delivered"
    TRYING = "trying"
    """The centre still tries."""
    FAILED = "failed"
    """The centre has given it up."""


_WORDS = {
    0x00: "已送达手机 received by the telephone",
    0x01: "已转交，未确认 forwarded, not confirmed",
    0x02: "被同一消息取代 replaced by the centre",
    0x20: "网络拥塞，重试中 congestion, still trying",
    0x21: "手机忙，重试中 telephone busy, still trying",
    0x22: "手机无应答，重试中 no response, still trying",
    0x23: "服务被拒，重试中 service rejected, still trying",
    0x24: "无法保证质量，重试中 quality of service not available, still trying",
    0x25: "手机出错，重试中 error in the telephone, still trying",
    0x40: "远端错误 remote procedure error",
    0x41: "目标不兼容 incompatible destination",
    0x42: "手机拒收 connection rejected by the telephone",
    0x43: "号码不可用 not obtainable",
    0x44: "无法保证质量 quality of service not available",
    0x45: "无此互通 no interworking available",
    0x46: "已过有效期 validity period expired",
    0x47: "已被发送方删除 deleted by the sender",
    0x48: "已被短信中心删除 deleted by the centre",
    0x49: "消息不存在 message does not exist",
    0x60: "网络拥塞，已放弃 congestion, given up",
    0x61: "手机忙，已放弃 telephone busy, given up",
    0x62: "手机无应答，已放弃 no response, given up",
    0x63: "服务被拒，已放弃 service rejected, given up",
    0x64: "无法保证质量，已放弃 quality of service not available, given up",
    0x65: "手机出错，已放弃 error in the telephone, given up",
}


def fate(status: int) -> Fate:
    """``status`` in one of three words. 0x01 (handed to another network) is as much as one ever hears from there."""
    if status & 0x80:
        return Fate.FAILED  # reserved
    group = status & 0x60
    return Fate.DELIVERED if group == 0 else Fate.TRYING if group == 0x20 else Fate.FAILED


def words(status: int) -> str:
    """For the timeline."""
    return _WORDS.get(status, f"状态 status 0x{status:02X}")
