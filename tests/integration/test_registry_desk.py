"""Devices changed at the running gateway: checked as a whole, written in one transaction, kept by the next apply."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.registry import candidates, desk, history, store
from gateway.registry.candidates import CandidateNote
from gateway.registry.fields import FieldChange
from gateway.registry.model import Community, Device, Place
from gateway.state import tables as t
from tests.support.registry import loaded

NOW = 1_790_000_000_000
BRIDGE = ("devices:\n", "bridges:\n  - {id: nvr, profile: frigate}\ndevices:\n")
SMOKE = Device(id="smoke-1", kind="smoke", place="b3-501", resident="li", serial="A1")


@pytest.fixture
def community(tmp_path: Path) -> Community:
    return loaded(tmp_path / "files", BRIDGE)


@pytest.fixture
def applied(database: sa.Engine, community: Community) -> sa.Engine:
    store.apply(database, community, "operator:file", NOW)
    return database


def do(engine: sa.Engine, plan: desk.Plan, **more: bool) -> desk.Done:
    return desk.carry_out(engine, plan, "operator:wang", NOW + 1000, **more)


def device(engine: sa.Engine, id_: str) -> Device | None:
    community = store.load(engine)
    assert community is not None
    return next((device for device in community.devices if device.id == id_), None)


def life(engine: sa.Engine, id_: str) -> list[tuple[str, str, dict[str, object]]]:
    with engine.begin() as connection:
        lines = reversed(history.read(connection, id_, 50))
        return [(line.what, line.actor, dict(line.detail)) for line in lines]


def test_a_device_is_added_with_a_revision_and_a_line_of_its_life(applied: sa.Engine) -> None:
    done = do(applied, desk.add(SMOKE))
    assert (done.devices, done.revision, store.revision(applied)) == ((SMOKE,), 2, 2)
    assert device(applied, "smoke-1") == SMOKE
    assert life(applied, "smoke-1") == [("added", "operator:wang", {"by": "desk", "resident": "li"})]
    assert [fault.entry for fault in done.warnings] == ["smoke-1"], "no rule looks at smoke in this small community"
    with applied.connect() as connection:
        row = connection.execute(
            sa.select(t.registry_revisions).order_by(t.registry_revisions.c.revision.desc())
        ).first()
    assert row is not None
    assert (row.actor, row.summary, row.applied_at_ms) == ("operator:wang", "devices +1", NOW + 1000)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (desk.add(SMOKE.model_copy(update={"id": "sos-1"})), "sos-1: id: 重复"),
        (desk.add(SMOKE.model_copy(update={"place": "b3-502"})), "smoke-1: place: 引用不存在 there is no place b3-502"),
        (desk.add(SMOKE.model_copy(update={"resident": "wang"})), "smoke-1: resident: 引用不存在 there is no resident"),
        (
            desk.add(SMOKE.model_copy(update={"address": "sos-1"})),
            "smoke-1: address: 重复 sos-1 is the address of two",
        ),
        (desk.change("sos-1", {"kind": "sos"}), "sos-1: kind: 未知的设备种类"),
        (desk.change("sos-1", {"id": "sos-2"}), "sos-1: id: 编号不能更改"),
        (desk.change("sos-1", {"supervision_s": 1}), "sos-1: supervision_s: 超出范围 expected at least 10, found 1"),
        (
            desk.change("sos-2", {}),
            "sos-2: id: 引用不存在 there is no device sos-2; see: anju devices list; did you mean",
        ),
        (desk.replace("sos-1", address="sos-1"), "sos-1: address: 地址没有变化"),
        (desk.replace("sos-1", address="not/a topic"), "sos-1"),
        (desk.retire("sos-9", "gone"), "there is no device sos-9"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason_and_nothing_is_written(
    applied: sa.Engine, plan: desk.Plan, said: str
) -> None:
    with pytest.raises(desk.Refused) as refused:
        do(applied, plan)
    assert said in str(refused.value)
    assert store.revision(applied) == 1


def test_before_a_community_there_is_nothing_to_change(database: sa.Engine) -> None:
    with pytest.raises(desk.NoCommunity, match="anju apply FILE"):
        do(database, desk.add(SMOKE))


def test_what_changes_nothing_writes_no_revision_and_a_dry_run_writes_nothing(applied: sa.Engine) -> None:
    assert do(applied, desk.change("sos-1", {"place": "b3-501"})).devices == ()
    assert do(applied, desk.add(SMOKE), dry_run=True).devices == (SMOKE,)
    assert store.revision(applied) == 1
    assert life(applied, "sos-1") == life(applied, "smoke-1") == []


def test_a_change_names_its_fields(applied: sa.Engine) -> None:
    do(applied, desk.change("sos-1", {"place": "b3", "name": {"zh": "床头", "en": "bed"}, "resident": None}))
    changed = device(applied, "sos-1")
    assert changed is not None
    assert (changed.place, changed.resident) == ("b3", None)
    fields = {"name": [None, None], "name.zh": [None, "床头"], "name.en": [None, "bed"]}
    del fields["name"]
    (line,) = life(applied, "sos-1")
    assert line[:2] == ("changed", "operator:wang")
    assert line[2] == {"fields": fields | {"place": ["b3-501", "b3"], "resident": ["li", None]}}


def test_other_hardware_keeps_the_id_and_takes_over_nothing_the_old_one_said(applied: sa.Engine) -> None:
    with applied.begin() as connection:
        connection.execute(
            t.device_states.insert(),
            {"device": "sos-1", "last_seen_ms": NOW, "online": True, "battery": 9.0, "rssi": -80.0}
            | {"firmware": "1.0", "model": "AJ-S", "states": '{"pressed": 1}', "states_ms": f'{{"pressed": {NOW}}}'},
        )
        stranger = CandidateNote(bridge="native", address="sos-7F", profile="native", heard=True, at_ms=NOW)
        candidates.note(connection, [stranger], NOW)
    do(applied, desk.replace("sos-1", address="sos-7F", serial="B2"))
    changed = device(applied, "sos-1")
    assert changed is not None
    assert (changed.address, changed.serial) == ("sos-7F", "B2")
    assert life(applied, "sos-1") == [
        ("replaced", "operator:wang", {"address": ["sos-1", "sos-7F"], "serial": ["", "B2"]})
    ]
    with applied.begin() as connection:
        row = connection.execute(sa.select(t.device_states)).one()
        assert (row.last_seen_ms, row.online) == (NOW, True)
        assert (row.battery, row.rssi, row.firmware, row.model, row.states, row.states_ms) == (None,) * 6
        assert candidates.waiting(connection) == [], "it is no stranger any more"


def test_a_retired_device_stands_in_the_registry_and_its_address_is_free(applied: sa.Engine) -> None:
    do(applied, desk.retire("sos-1", "moved out"))
    retired = device(applied, "sos-1")
    assert retired is not None
    assert retired.status == "retired"
    assert life(applied, "sos-1") == [("retired", "operator:wang", {"why": "moved out"})]
    do(applied, desk.add(Device(id="sos-2", kind="sos_button", address="sos-1", place="b3")))
    with pytest.raises(desk.Refused, match="is the address of two devices"):
        do(applied, desk.change("sos-1", {"status": "active"}))
    do(applied, desk.change("sos-2", {"address": None}))
    do(applied, desk.change("sos-1", {"status": "active"}))
    assert [what for what, *_ in life(applied, "sos-1")] == ["retired", "back_in_service"]


def test_many_at_once_are_all_done_or_none(applied: sa.Engine) -> None:
    sos = device(applied, "sos-1")
    assert sos is not None
    camera = Device(id="cam-1", kind="camera", profile="frigate", address="front", place="b3")
    wrong = camera.model_copy(update={"id": "cam-2", "place": "nowhere"})
    wanted = [SMOKE, camera, sos, sos.model_copy(update={"supervision_s": 900})]
    with pytest.raises(desk.Refused) as refused:
        do(applied, desk.together([*wanted[:2], wrong], by="import"))
    assert {fault.entry for fault in refused.value.faults} == {"cam-2"}
    assert store.revision(applied) == 1
    do(applied, desk.together([SMOKE, camera, wanted[3]], by="import"))
    assert store.revision(applied) == 2
    assert life(applied, "cam-1") == [("added", "operator:wang", {"by": "import"})]
    assert life(applied, "sos-1") == [("changed", "operator:wang", {"fields": {"supervision_s": [None, 900]}})]


def test_what_was_wrong_before_is_no_reason_to_refuse(applied: sa.Engine) -> None:
    with applied.begin() as connection:  # as a newer version, which checks more, may find it
        body = sa.select(t.registry.c.body).where(t.registry.c.section == "devices", t.registry.c.id == "sos-1")
        old = connection.execute(body).scalar_one()
        connection.execute(
            sa.update(t.registry)
            .where(t.registry.c.section == "devices", t.registry.c.id == "sos-1")
            .values(body=old.replace('"resident":"li"', '"resident":"nobody"'))
        )
    do(applied, desk.add(SMOKE))
    with pytest.raises(desk.Refused, match="there is no resident nobody"):
        do(applied, desk.add(SMOKE.model_copy(update={"id": "smoke-2", "resident": "nobody"})))


def test_two_who_change_at_once_both_have_their_change(applied: sa.Engine) -> None:
    wanted = [SMOKE.model_copy(update={"id": f"smoke-{n}"}) for n in range(4)]
    threads = [threading.Thread(target=do, args=(applied, desk.add(one))) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.revision(applied) == 5
    assert [device(applied, one.id) for one in wanted] == wanted


# -- and the files


def test_applying_the_files_keeps_what_was_made_here_and_says_so(applied: sa.Engine, community: Community) -> None:
    do(applied, desk.add(SMOKE))
    do(applied, desk.change("sos-1", {"supervision_s": 900}))
    plan = store.plan(applied, community)
    assert not plan
    assert plan.kept == (
        store.Kept("devices", "smoke-1", False, ()),
        store.Kept("devices", "sos-1", True, (FieldChange("supervision_s", None, 900),)),
    )
    store.apply(applied, community, "operator:file", NOW + 2000)
    assert device(applied, "smoke-1") == SMOKE
    sos = device(applied, "sos-1")
    assert sos is not None
    assert sos.supervision_s == 900


def test_taking_the_files_takes_it_all_back(applied: sa.Engine, community: Community) -> None:
    do(applied, desk.add(SMOKE))
    do(applied, desk.change("sos-1", {"supervision_s": 900}))
    plan = store.plan(applied, community, take_file=True)
    assert (plan.summary, plan.kept) == ("devices ~1 -1", ())
    store.apply(applied, community, "operator:file", NOW + 2000, take_file=True)
    assert device(applied, "smoke-1") is None
    assert life(applied, "smoke-1")[-1] == ("removed", "operator:file", {"by": "apply", "resident": "li"})
    assert life(applied, "sos-1")[-1] == (
        "changed",
        "operator:file",
        {"by": "apply", "fields": {"supervision_s": [900, None]}},
    )
    assert not store.plan(applied, community).kept


def test_once_the_files_say_the_same_they_are_obeyed_again(applied: sa.Engine, community: Community) -> None:
    do(applied, desk.add(SMOKE))
    same = community.model_copy(update={"devices": (*community.devices, SMOKE)})
    plan = store.plan(applied, same)
    assert (bool(plan), plan.kept, plan.written_down) == (False, (), (("devices", "smoke-1"),))
    store.apply(applied, same, "operator:file", NOW + 2000)
    assert store.revision(applied) == 2, "nothing has changed but who is obeyed"
    store.apply(applied, community, "operator:file", NOW + 3000)
    assert device(applied, "smoke-1") is None


def test_files_that_take_the_ground_from_under_a_kept_device_are_refused(
    applied: sa.Engine, community: Community
) -> None:
    do(applied, desk.add(SMOKE.model_copy(update={"id": "smoke-9", "place": "b3-501", "resident": None})))
    places = tuple(place for place in community.places if place.id != "b3-501")
    without_home = community.model_copy(update={"places": places, "residents": (), "devices": ()})
    for attempt in (store.plan, lambda *a: store.apply(*a, "operator:file", NOW)):
        with pytest.raises(store.KeptDoNotFit) as refused:
            attempt(applied, without_home)
        (message,) = refused.value.messages
        assert "smoke-9: place: 引用不存在 there is no place b3-501" in message
        assert "made at the gateway" in message
    assert store.plan(applied, without_home, take_file=True).removed


def test_by_files_too_another_address_is_other_hardware(applied: sa.Engine, community: Community) -> None:
    with applied.begin() as connection:
        connection.execute(
            t.device_states.insert(),
            {"device": "sos-1", "last_seen_ms": NOW, "online": True, "states": '{"pressed": 1}'},
        )
    (sos,) = community.devices
    moved = community.model_copy(update={"devices": (sos.model_copy(update={"address": "sos-7F"}),)})
    store.apply(applied, moved, "operator:file", NOW + 2000)
    with applied.begin() as connection:
        assert connection.execute(sa.select(t.device_states.c.states)).scalar_one() is None


# -- what rules may know of places and residents


def place(engine: sa.Engine, id_: str) -> Place:
    community = store.load(engine)
    assert community is not None
    return next(place for place in community.places if place.id == id_)


def with_home(community: Community, **fields: object) -> Community:
    places = tuple(one.model_copy(update=fields) if one.id == "b3-501" else one for one in community.places)
    return community.model_copy(update={"places": places})


def test_a_home_is_armed_with_a_revision_that_says_so(applied: sa.Engine) -> None:
    done = do(applied, desk.describe("places", "b3-501", {"armed": True, "floor": 5}))
    assert (done.devices, done.revision) == ((), 2)
    home = place(applied, "b3-501")
    assert (home.attributes, home.access) == ({"armed": True, "floor": 5.0}, "钥匙在邻居处")
    do(applied, desk.describe("places", "b3-501", {"armed": True}))
    assert place(applied, "b3-501").attributes == {"armed": True}, "all of them are put"
    with applied.begin() as connection:
        summaries = list(connection.execute(sa.select(t.registry_revisions.c.summary).order_by("revision")).scalars())
    assert summaries[1:] == [
        "places ~1 (b3-501: attributes.armed — → true, attributes.floor — → 5.0)",
        "places ~1 (b3-501: attributes.floor 5.0 → —)",
    ]
    assert do(applied, desk.describe("places", "b3-501", {"armed": True})).revision == 3, "nothing has changed"
    assert do(applied, desk.describe("places", "b3-501", {"armed": 1})).revision == 4, "one is not true"


def test_a_resident_keeps_all_else_that_is_known(applied: sa.Engine, community: Community) -> None:
    (li,) = community.residents
    do(applied, desk.describe("residents", "li", {"mobility": "轮椅"}))
    after = store.load(applied)
    assert after is not None
    assert after.residents == (li.model_copy(update={"attributes": {"mobility": "轮椅"}}),)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (desk.describe("places", "b3-502", {}), "there is no place b3-502 in places; did you mean b3-501?"),
        (desk.describe("residents", "wang", {}), "wang: id: 引用不存在 there is no resident wang in residents"),
        (desk.describe("places", "b3", {"level": 1}), "b3: attributes: 名称已被占用 attribute 'level' is called"),
        (desk.change("sos-1", {"via": "hub"}), "sos-1: via: 引用不存在 there is no device hub"),
        (desk.change("sos-1", {"attributes": {"A": 1}}), "sos-1: attributes.A: 名称写法不对 expected a name"),
    ],
)
def test_what_cannot_be_known_is_refused(applied: sa.Engine, plan: desk.Plan, said: str) -> None:
    with pytest.raises(desk.Refused) as refused:
        do(applied, plan)
    assert said in str(refused.value)
    assert store.revision(applied) == 1


def test_a_retired_carrier_is_a_warning_that_names_who_it_carried(applied: sa.Engine) -> None:
    do(applied, desk.add(Device(id="hub-1", kind="concentrator", place="b3")))
    do(applied, desk.change("sos-1", {"via": "hub-1", "attributes": {"role": "bedside"}}))
    done = do(applied, desk.retire("hub-1", "broken"))
    assert [(one.entry, one.field) for one in done.warnings] == [("sos-1", "via")]


def test_files_keep_the_attributes_given_here_and_change_all_else(applied: sa.Engine, community: Community) -> None:
    do(applied, desk.describe("places", "b3-501", {"armed": True}))
    moved = with_home(community, access="钥匙在门卫处", attributes={"armed": False, "floor": 5.0})
    plan = store.plan(applied, moved)
    differs = (FieldChange("attributes.armed", False, True), FieldChange("attributes.floor", 5.0, None))
    assert plan.kept == (store.Kept("places", "b3-501", True, differs),)
    assert plan.changed == (
        store.Changed("places", "b3-501", (FieldChange("access", "钥匙在邻居处", "钥匙在门卫处"),)),
    )
    store.apply(applied, moved, "operator:file", NOW + 2000)
    home = place(applied, "b3-501")
    assert (home.access, home.attributes) == ("钥匙在门卫处", {"armed": True})
    assert store.plan(applied, moved).kept, "and the next time, too"
    store.apply(applied, moved, "operator:file", NOW + 3000, take_file=True)
    assert place(applied, "b3-501").attributes == {"armed": False, "floor": 5.0}
    assert not store.plan(applied, moved).kept


def test_once_the_files_give_the_same_attributes_they_are_obeyed_again(
    applied: sa.Engine, community: Community
) -> None:
    do(applied, desk.describe("places", "b3-501", {"armed": True}))
    same = with_home(community, attributes={"armed": True})
    assert store.plan(applied, same).written_down == (("places", "b3-501"),)
    store.apply(applied, same, "operator:file", NOW + 2000)
    store.apply(applied, community, "operator:file", NOW + 3000)
    assert place(applied, "b3-501").attributes == {}


def test_a_place_that_the_files_take_out_goes_with_its_attributes(applied: sa.Engine, community: Community) -> None:
    do(applied, desk.describe("places", "b3-501", {"armed": True}))
    places = tuple(place for place in community.places if place.id != "b3-501")
    without_home = community.model_copy(update={"places": places, "residents": (), "devices": ()})
    plan = store.plan(applied, without_home)
    assert (plan.kept, ("places", "b3-501") in plan.removed) == ((), True)


def test_only_devices_are_listed_as_devices_made_here(applied: sa.Engine) -> None:
    do(applied, desk.add(SMOKE))
    do(applied, desk.describe("places", "b3-501", {"armed": True}))
    with applied.begin() as connection:
        assert store.made_at_desk(connection) == ["smoke-1"]
