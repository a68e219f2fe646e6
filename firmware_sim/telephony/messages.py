"""SMS of a simulated modem: sent from a PDU, received into the SIM's few places, reports of delivery passed on."""

from __future__ import annotations

from firmware_sim.telephony import pdu
from firmware_sim.telephony.host import Commands, Host
from firmware_sim.telephony.network import now_ms

CENTRE_BYTES = 9
"""Of the centre's address, which the length that AT+CMGL and the like announce leaves out."""


class Messages:
    """The SIM's ``room`` places, and the way out. ``commands`` are those of SMS."""

    def __init__(self, modem: Host, room: int) -> None:
        self._modem = modem
        self._room = room
        self.stored: dict[int, str] = {}
        """PDUs in hex by their place, from 1."""
        self.commands: Commands = {
            "CMGF": self._granted,
            "CNMI": self._granted,
            "CPMS": self._places,
            "CMGS": self._send,
            "CMGL": self._list,
            "CMGR": self._read,
            "CMGD": self._delete,
        }

    def take(self, sender: str, text: str) -> bool:
        """Store an SMS and say so. False where there is no place, or no network: the centre keeps it."""
        modem = self._modem
        if not modem.ready or modem.terminal.hung:
            return False
        parts = pdu.deliver(sender, text, now_ms(), reference=modem.network.next_reference())
        if len(self.stored) + len(parts) > self._room:
            return False
        for one in parts:
            index = min(set(range(1, self._room + 1)) - set(self.stored))
            self.stored[index] = one
            modem.terminal.urc(f'+CMTI: "SM",{index}')
        return True

    def take_report(self, reference: int, to: str, sent_ms: int, status: int) -> None:
        """Pass a report of delivery on, which no modem stores."""
        if self._modem.ready and not self._modem.terminal.hung:
            text = pdu.status_report(reference, to, sent_ms, now_ms(), status)
            self._modem.terminal.urc(f"+CDS: {_length(text)}\r\n{text}")

    def _granted(self, _: str) -> None:
        self._modem.terminal.answer("OK")

    def _places(self, rest: str) -> None:
        memory = '"SM",' if rest == "?" else ""
        self._modem.terminal.answer("+CPMS: " + ",".join([f"{memory}{len(self.stored)},{self._room}"] * 3), "OK")

    def _send(self, rest: str) -> None:
        length = int(rest.lstrip("=") or 0)
        self._modem.terminal.ask(b"\r\n> ", lambda data: self._submit(data.decode("latin-1"), length))

    def _submit(self, text: str, length: int) -> None:
        modem, terminal, faults = self._modem, self._modem.terminal, self._modem.faults
        if faults.send_hangs_after is not None:
            if faults.send_hangs_after == 0:
                terminal.hung = "soft"
                return
            faults.send_hangs_after -= 1
        if faults.send_error:
            error, faults.send_error = faults.send_error, ""
            terminal.answer(error)
            return
        if not modem.ready:
            terminal.answer("+CMS ERROR: 331")
            return
        try:
            sms = pdu.read_submit(text)
            if len(text) // 2 - 1 - int(text[:2], 16) != length:
                raise pdu.BadPdu("another length than announced")
        except pdu.BadPdu as error:
            modem.network.surprise(f"a PDU that is none ({error}): {text}")
            terminal.answer("+CMS ERROR: 304")
            return
        reference = modem.network.next_reference()
        terminal.answer(f"+CMGS: {reference}", "OK")
        modem.network.submit(modem, sms, reference)

    def _list(self, _: str) -> None:
        lines = [f"+CMGL: {index},1,,{_length(one)}\r\n{one}" for index, one in sorted(self.stored.items())]
        self._modem.terminal.answer(*lines, "OK")

    def _read(self, rest: str) -> None:
        one = self.stored.get(int(rest.lstrip("=")))
        if one is None:
            self._modem.terminal.answer("+CMS ERROR: 321")
        else:
            self._modem.terminal.answer(f"+CMGR: 0,,{_length(one)}\r\n{one}", "OK")

    def _delete(self, rest: str) -> None:
        self.stored.pop(int(rest.lstrip("=").split(",")[0]), None)
        self._modem.terminal.answer("OK")
        self._modem.network.retry_kept()


def _length(text: str) -> int:
    return len(text) // 2 - CENTRE_BYTES
