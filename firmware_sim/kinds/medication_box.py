"""Medication box: rings when a dose is due, knows whether its compartment was opened, and counts what is left."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Args, SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.homeday import Dose

GRACE_MS = 3_600_000
"""So long after it was due a dose is missed."""
LOOK_AGAIN_MS = 86_400_000
OPEN_S = 20.0
"""The lid stands open for so long."""
COMPARTMENTS = 28


class MedicationBox(SimDevice):
    """The firmware of what `devices.kinds.medication_box` describes."""

    kind_key = "medication_box"
    model = "MB-28"
    firmware = "1.8.2"
    heartbeat_s = 2400.0
    battery_days = 60.0
    radio = "wifi"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.left = self.rng.randint(6, COMPARTMENTS)

    def measure(self, now_ms: int) -> dict[str, float]:
        return {"doses_left": self.left}

    def started(self, now_ms: int) -> None:
        self.leave("lid_open", now_ms)
        self.every("charger", 86_400.0, self._looked_after)
        self._await_dose(now_ms, self.life_ms(now_ms))

    def _looked_after(self, now_ms: int) -> None:
        """Somebody who comes to the home fills and charges it."""
        if self.left <= 2:
            self.left = COMPARTMENTS
        if self.battery < 40.0:
            self.battery = 100.0

    def _await_dose(self, now_ms: int, life_ms: int) -> None:
        dose = self.household.next_dose(life_ms)
        if dose is None:
            again_ms = life_ms + LOOK_AGAIN_MS
            self.at_life("dose", again_ms, lambda at_ms: self._await_dose(at_ms, again_ms), now_ms)
        elif dose.taken_ms is not None and life_ms < dose.taken_ms <= dose.due_ms + GRACE_MS:
            self.at_life("dose", dose.taken_ms, lambda at_ms: self._taken_in_time(at_ms, dose), now_ms)
        elif dose.taken_ms is not None and dose.taken_ms <= life_ms:
            self.at_life("dose", dose.due_ms, lambda at_ms: self._await_dose(at_ms, dose.due_ms), now_ms)
        else:
            self._await_grace(now_ms, dose)

    def _taken_in_time(self, now_ms: int, dose: Dose) -> None:
        if self.household.held:  # a story keeps the resident away from it
            self._await_grace(now_ms, dose)
            return
        self.take_dose(now_ms, {})
        self._await_dose(now_ms, max(dose.due_ms, self.life_ms(now_ms)))

    def _await_grace(self, now_ms: int, dose: Dose) -> None:
        self.at_life("dose", dose.due_ms + GRACE_MS, lambda at_ms: self._not_in_time(at_ms, dose), now_ms)

    def _not_in_time(self, now_ms: int, dose: Dose) -> None:
        self.miss_dose(now_ms, {})
        if dose.taken_ms is not None and dose.taken_ms > self.life_ms(now_ms):
            self.at_life("late dose", dose.taken_ms, lambda at_ms: self.take_dose(at_ms, {}), now_ms)
        self._await_dose(now_ms, dose.due_ms)

    def take_dose(self, now_ms: int, args: Args) -> None:
        """Lid, compartment, dose; the lid is shut a little later."""
        self.left = max(0, self.left - 1)
        compartment = {"compartment": COMPARTMENTS - self.left}
        self.enter("lid_open", now_ms)
        self.emit(Channel.EVENT, now_ms, event="compartment_opened", metrics=compartment)
        taken = {**compartment, "doses_left": self.left}
        if not self.leave("dose_overdue", now_ms, metrics=taken):
            self.emit(Channel.EVENT, now_ms, event="dose_taken", metrics=taken)
        self.soon("shut", OPEN_S, lambda at_ms: self._shut(at_ms), now_ms)

    def miss_dose(self, now_ms: int, args: Args) -> None:
        """A dose is not taken in time; one more is said as well."""
        if not self.enter("dose_overdue", now_ms, metrics={"doses_left": self.left}):
            self.emit(Channel.EVENT, now_ms, event="dose_missed", metrics={"doses_left": self.left})

    def _shut(self, now_ms: int) -> None:
        self.leave("lid_open", now_ms)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "dose_taken": self.take_dose, "dose_missed": self.miss_dose}
