"""Tuanjiehu: generated, whole, at scale; and how long a larger community takes to read (printed, not judged)."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from devices.kinds import KINDS
from gateway.cases.policy import Recipient
from gateway.registry import census, store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import read_community
from gateway.registry.model import Community
from gateway.rules.library import library
from gateway.state.db import open_database

FOLDER = Path(__file__).parents[2] / "examples" / "tuanjiehu"


@pytest.fixture(scope="module")
def community() -> Community:
    result = read_community(FOLDER / "community.yaml")
    assert [str(problem) for problem in result.problems] == []
    assert result.community is not None
    return result.community


def test_the_committed_files_are_what_the_program_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(FOLDER / "generate.py"), str(tmp_path)], check=True, timeout=60)
    written = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.yaml")}
    stale = [name for name, data in written.items() if (FOLDER / name).read_bytes() != data]
    assert stale == [], "run: python examples/tuanjiehu/generate.py"
    present = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml")}
    assert present == set(written) | {"community.yaml"}
    assert sum(map(len, written.values())) < 6_000_000


def test_the_scale_is_that_of_the_domain(community: Community) -> None:
    levels = [place.level for place in community.places]
    assert levels.count("杆") == 1769
    assert 9_500 <= levels.count("户") <= 10_500
    kinds = [device.kind for device in community.devices]
    cameras = [device for device in community.devices if device.kind == "camera"]
    assert len(cameras) == 270
    assert len({camera.place for camera in cameras}) == 270
    assert all(camera.place.startswith("pole-") for camera in cameras)
    assert kinds.count("smoke") == kinds.count("service_button") == len(community.residents) == 640
    assert sum(device.id.startswith("sos-") for device in community.devices) == 640
    assert set(kinds) == set(KINDS)
    assert kinds.count("gas") == kinds.count("valve") > 500
    assert kinds.count("waste_bin") == 4 * levels.count("网格")
    assert kinds.count("concentrator") == levels.count("楼")
    assert 6_500 < len(kinds) < 8_000
    assert {rule.id for rule in community.rules} == set(library())
    phones = [person.phone for person in community.people] + [resident.phone for resident in community.residents]
    assert all(phone.startswith("000-") for phone in phones)
    assert len(set(phones)) == len(phones)


def test_every_resident_has_somebody_at_each_rung_and_a_full_card(community: Community) -> None:
    directory = CommunityDirectory(community)
    life = next(ladder for ladder in community.ladders if ladder.life_safety)
    for resident in community.residents:
        for rung in life.rungs:
            for recipient in rung.notify:
                told = directory.resolve(recipient, place=resident.home, resident=resident.id, at_ms=0)
                assert told and all(target.addresses for target in told), (resident.id, rung.id)
        card = directory.emergency_card(
            case_number="1", complaint="x", place=resident.home, resident=resident.id, source="y", at_ms=0
        )
        assert all((card["address"], card["position"], card["access"], card["meet_at"], card["phones"]))
    two = directory.resolve(Recipient(role="grid_staff"), place=community.residents[0].home, resident=None, at_ms=0)
    assert len(two) == 2


def test_an_address_reads_like_one(community: Community) -> None:
    path = CommunityDirectory(community).place_path("tjh-yet-b03-u2-501", "zh")
    assert path == "团结湖街道一二条社区3号楼2单元501"


def test_how_long_reading_and_applying_a_large_community_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """10,000 households: 10,000 doors and residents, 30,000 devices and more. Figures for the reader."""
    main = (FOLDER / "community.yaml").read_text(encoding="utf-8")
    for name in ("staff.yaml", "rosters.yaml", "rules.yaml", "poles.yaml", "places.yaml"):
        (tmp_path / name).write_text((FOLDER / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "community.yaml").write_text(
        main.replace("homes/*.yaml", "homes.yaml").replace("  - families.yaml\n", "").replace("  - devices.yaml\n", ""),
        encoding="utf-8",
    )
    homes, served, devices = ["places:"], ["residents:"], ["devices:"]
    for n in range(10_000):
        homes.append(f'  - {{id: h{n}, level: 户, name: "{n}", parent: tjh-yet-b01-u1}}')
        family = "[{person: operator-1, relation: 邻居}]"
        served.append(f"  - {{id: r{n}, name: 王{n}, home: h{n}, sex: female, birth_year: 1940, family: {family}}}")
        for kind in ("sos_button", "smoke", "contact"):
            devices.append(f"  - {{id: {kind}-{n}, kind: {kind}, place: h{n}, resident: r{n}}}")
    (tmp_path / "homes.yaml").write_text("\n".join([*homes, *devices]) + "\n", encoding="utf-8")
    (tmp_path / "residents.yaml").write_text("\n".join(served) + "\n", encoding="utf-8")

    began = time.perf_counter()
    result = read_community(tmp_path / "community.yaml")
    read_s = time.perf_counter() - began
    assert result.community is not None, result.errors[:3]
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    took = {"read": read_s}
    for name, step in (
        ("apply", lambda: store.apply(engine, result.community, "a", 1)),
        ("plan, nothing new", lambda: store.plan(engine, result.community)),
        ("load", lambda: store.load(engine)),
        ("directory", lambda: CommunityDirectory(result.community)),
    ):
        began = time.perf_counter()
        step()
        took[name] = time.perf_counter() - began
    engine.dispose()
    items = len(result.community.places) + len(result.community.residents) + len(result.community.devices)
    with capsys.disabled():
        figures = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in took.items())
        sys.stdout.write(f"\n{items} items: {figures}\n")


def test_the_size_of_its_telemetry_stands_in_the_page(community: Community) -> None:
    page = census.PAGE.read_text(encoding="utf-8")
    made = census.table(CommunityDirectory(community, "gateway"))
    assert census.with_table(page, made) == page, "run `make docs`"
