"""What every message of a ChirpStack server says of its node: who, when, how well it was heard, and its bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from devices.expression.functions import millis
from devices.gear.jsontext import items, number, shown, table, word
from devices.gear.messages import GearDevice, Said, Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every message of the server says of its node."""

    identity: str | None
    at_ms: int | None
    port: int
    metrics: Mapping[str, float]
    """Of the radio."""
    data: Mapping[str, Scalar]

    def said(
        self,
        device: GearDevice,
        metrics: Mapping[str, float] | None = None,
        data: Mapping[str, Scalar] | None = None,
        events: tuple[str, ...] = (),
    ) -> Said:
        """What the device says by this uplink, at its time."""
        return Said(
            device=device,
            metrics={**self.metrics, **(metrics or {})},
            events=events,
            data={**(data or {}), **self.data},
            presence=True,
            observed_at_ms=self.at_ms,
            identity=self.identity,
        )


def frame(message: Mapping[str, object], event: str = "up") -> Frame:
    """What stands around an event."""
    identity = word(message.get("deduplicationId"))
    if event != "up":
        identity = (
            f"{identity}-{event}" if identity else ""
        )  # a join and an answer share it with the uplink they came in
    at_ms = millis(message.get("time"))
    best: tuple[float, float, str] | None = None
    for one in items(message.get("rxInfo")):
        receiver = table(one)
        # Zeros are left out of this part of the JSON: a signal as strong as the noise has no "snr".
        heard = (number(receiver.get("snr", 0)), number(receiver.get("rssi")))
        if heard[0] is not None and heard[1] is not None:
            found = (heard[0], heard[1], word(receiver.get("gatewayId")))
            best = found if best is None else max(best, found)
    metrics = {} if best is None else {"snr": best[0], "rssi": best[1]}
    data: dict[str, Scalar] = {}
    if (count := number(message.get("fCnt", 0))) is not None and "fPort" in message:
        data["f_cnt"] = count
    if best is not None and best[2]:
        data["gateway"] = best[2]
    port = number(message.get("fPort", 0))
    return Frame(
        identity=identity if identity and ":" not in identity else None,
        at_ms=None if at_ms is None else int(at_ms),
        port=int(port) if port is not None and 0 <= port <= 255 else 0,
        metrics=metrics,
        data=data,
    )


def battery(message: Mapping[str, object]) -> dict[str, float]:
    """What a status event says of the node's battery."""
    level = number(message.get("batteryLevel", 0))
    if message.get("externalPowerSource") is True or message.get("batteryLevelUnavailable") is True or level is None:
        return {}
    return {"battery": level}


def payload(message: Mapping[str, object]) -> tuple[bytes, str]:
    """The node's bytes; and what is wrong where there should be some and they cannot be read."""
    text = message.get("data")
    if text is None or text == "":
        return b"", ""
    try:
        return base64.b64decode(text if isinstance(text, str) else "!", validate=True), ""
    except (binascii.Error, ValueError):
        return b"", f"data is no base64: {shown(text)}"
