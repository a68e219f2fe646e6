"""Records of the core as the API and the pages show them."""

from __future__ import annotations

from devices.kinds import KINDS
from gateway.api.context import Context
from gateway.api.models import CaseDetail, CaseSummary, DeviceSummary, ReadingOut
from gateway.api.reads import DeviceState, alarms, outbox, timeline
from gateway.cases import scene
from gateway.cases.model import Case
from gateway.cases.wording import kind
from gateway.registry.model import NATIVE, Device
from gateway.store.protocol import Reading


def case_summary(context: Context, case: Case) -> CaseSummary:
    """A case as lists show it."""
    return CaseSummary(**_summary(context, case))


def _summary(context: Context, case: Case) -> dict[str, object]:
    directory = context.directory()
    words = kind(case, case.type)
    return {
        "case": case.shown,
        "type_zh": words.zh,
        "type_en": words.en,
        "resident_name": scene.resident_name(case, directory) if directory else "",
        "place_zh": scene.place_path(case, directory, "zh") if directory else "",
        "place_en": scene.place_path(case, directory, "en") if directory else "",
    }


def case_detail(context: Context, case: Case) -> CaseDetail:
    """A case with its timeline, alarms and messages. Reads the database."""
    return CaseDetail.model_validate(
        {
            **_summary(context, case),
            "timeline": timeline(context.engine, case.id),
            "alarms": alarms(context.engine, open_only=False, case_id=case.id, limit=200),
            "outbox": outbox(context.engine, case_id=case.id, status=None, limit=1000),
        }
    )


def device_summary(context: Context, device: Device, state: DeviceState | None) -> DeviceSummary:
    """A device as lists show it; ``state`` is None where it was never heard."""
    directory = context.directory()
    kind = KINDS[device.kind]
    return DeviceSummary(
        id=device.id,
        kind=device.kind,
        kind_zh=kind.zh,
        kind_en=kind.en,
        place=device.place,
        place_zh=directory.place_path(device.place, "zh") if directory else "",
        resident=device.resident,
        profile=device.profile,
        bridge=directory.bridge_of(device.id) if directory and device.profile != NATIVE else None,
        address=device.address or device.id,
        serial=device.serial,
        status=device.status,
        supervision_s=_supervision_s(device),
        state=state,
        silent=device.status == "active" and is_silent(device, state, context.clock.now_ms()),
    )


def is_silent(device: Device, state: DeviceState | None, now_ms: int) -> bool:
    """Not heard for longer than its supervision interval, or never."""
    return state is None or now_ms - state.last_seen_ms > _supervision_s(device) * 1000


def _supervision_s(device: Device) -> int:
    return device.supervision_s or KINDS[device.kind].supervision_s


def reading_out(kind: str, reading: Reading) -> ReadingOut:
    """A reading with its metric in words."""
    metric = KINDS[kind].metrics[reading.metric]
    return ReadingOut(
        metric=reading.metric,
        zh=metric.zh,
        en=metric.en,
        unit=metric.unit,
        value=reading.value,
        at_ms=reading.at_ms,
    )
