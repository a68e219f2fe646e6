"""What people read when their community's YAML is wrong: file, line, key, what to do; and all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from devices.kinds import KINDS
from gateway.registry.chinese import chinese
from gateway.registry.load import load_community, read_community
from gateway.registry.problem import ConfigError
from gateway.registry.sections import SCALARS, SECTIONS
from gateway.registry.yamlfile import read_yaml
from tests.support.registry import printed, read, said, small, write

SECTION_NAMES = ", ".join(sorted((*SECTIONS, *SCALARS, "include")))


def test_a_right_community_has_nothing_to_say(tmp_path: Path) -> None:
    result = read(tmp_path)
    assert said(result) == []
    assert result.community is not None
    assert [person.id for person in result.community.people] == ["op", "daughter"]
    assert [address.to for address in result.community.people[1].contacts] == ["d", "d2"]


ONE_FAULT = [
    (
        ("kind: sos_button", "kind: sos_buton"),
        f'more.yaml:20: devices[0].kind: unknown kind "sos_buton"; expected one of {", ".join(sorted(KINDS))}; '
        "did you mean sos_button?",
    ),
    (
        ("place: b3-501,", "plcae: b3-501, place: b3-501,"),
        "more.yaml:20: devices[0].plcae: unknown key; expected one of address, attributes, bridge, id, "
        "kind, name, options, place, profile, resident, serial, status, supervision_s, via; did you mean place?",
    ),
    (("place: b3-501, ", ""), "more.yaml:20: devices[0].place: missing; add place: …"),
    (
        ("birth_year: 1940", "birth_year: 1840"),
        "more.yaml:14: residents[0].birth_year: expected at least 1890, found 1840",
    ),
    (
        ("birth_year: 1940", "birth_year: old"),
        'more.yaml:14: residents[0].birth_year: expected a whole number, found "old"',
    ),
    (
        ("phone: 000-4", "phone: 13800"),
        "more.yaml:15: residents[0].phone: expected text, found 13800 (put it in quotes)",
    ),
    (
        ("phone: 000-4", "phone: 2026-01-02"),
        "more.yaml:15: residents[0].phone: expected text, found 2026-01-02 (YAML reads it as a date: put it in quotes)",
    ),
    (
        ('name: "501"', "name: 501"),
        "more.yaml:5: places[3].name: expected text, or {zh: …, en: …}, found 501 (put it in quotes)",
    ),
    (
        ("lat: 39.9", "lat: .nan"),
        "more.yaml:2: places[0].position.lat: expected a finite number, found nan",
    ),
    (
        ("conditions: [冠心病]", "conditions: 冠心病"),
        'more.yaml:16: residents[0].conditions: expected a list ([…] or lines that begin with -), found "冠心病"',
    ),
    (
        ("{id: b3, level", "{id: 'b 3', level"),
        "more.yaml:4: places[2].id: expected an id of letters, digits, . _ - (at most 64, it travels in MQTT topics), "
        'found "b 3"',
    ),
    (
        ("datum: WGS-84", "datum: WGS84"),
        'more.yaml:2: places[0].position.datum: expected one of WGS-84, GCJ-02, found "WGS84"; did you mean WGS-84?',
    ),
    (
        ("type: apprise", "type: aprise"),
        'community.yaml:6: channels[0].type: unknown type "aprise"; expected one of apprise, cap, dc09, sms, '
        "voice, webhook; "
        "did you mean apprise?",
    ),
    (
        ("type: apprise, ", ""),
        "community.yaml:6: channels[0].type: missing; expected one of apprise, cap, dc09, sms, voice, webhook",
    ),
    (
        ("form: event", "form: evnt"),
        'community.yaml:12: rules[0].form: unknown form "evnt"; expected one of condition, event, silence, threshold; '
        "did you mean event?",
    ),
    (
        ("events: [press]", "events: [pres]"),
        "community.yaml:8: rules[0]: sos_button has no event 'pres'; expected one of cancel, command_result, fall, "
        "long_press, low_battery, offline, online, press, tamper; did you mean press?",
    ),
    (
        ("{role: control_room}]}\n", "{rol: control_room}]}\n"),
        "community.yaml:23: ladders[0].rungs[0].notify[0].rol: unknown key; expected one of doctor, family, "
        "neighbours, organisation, person, role; "
        "did you mean role?",
    ),
    (
        ("ladder: life}", "ladder: live}"),
        "community.yaml:17: rules[0].raises.ladder: there is no ladder live; add it to ladders or correct the id; "
        "did you mean life?",
    ),
    (("anju: 1", "anju: 2"), "community.yaml:1: anju: expected 1, the version of this file format, found 2"),
    (("anju: 1\n", ""), "community.yaml:1: anju: missing in the main file; add anju: 1"),
    (
        ("channels:", "chanels:"),
        f"community.yaml:5: chanels: unknown section; expected one of {SECTION_NAMES}; did you mean channels?",
    ),
    (
        ("places:\n", "community: {id: x, name: x}\nplaces:\n"),
        "more.yaml:1: community: stands only in the main file; move it there",
    ),
]


@pytest.mark.parametrize(("fault", "expected"), ONE_FAULT)
def test_a_fault_is_named(tmp_path: Path, fault: tuple[str, str], expected: str) -> None:
    assert expected in said(read(tmp_path, fault))


def test_all_faults_come_at_once_sorted_and_none_is_an_echo(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        ("kind: sos_button", "kind: sos_buton"),
        ("birth_year: 1940", "birth_year: 1840"),
        ("cancel_window_s: 30", "cancel_window_s: 3000"),
        ("{id: b3, level", "{id: b3, levl"),
    )
    assert [(Path(p.file).name, p.line, p.key) for p in result.problems] == [
        ("community.yaml", 21, "ladders[0].cancel_window_s"),
        ("more.yaml", 4, "places[2].level"),
        ("more.yaml", 4, "places[2].levl"),
        ("more.yaml", 14, "residents[0].birth_year"),
        ("more.yaml", 20, "devices[0].kind"),
    ]


def test_raising_carries_every_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"more.yaml:20: devices\[0\].kind: 未知的设备种类 unknown kind"):
        load_community(small(tmp_path, ("kind: sos_button", "kind: sos_buton")))


YAML_TRAPS = [
    (
        "community: {id: demo, id: demo, name: x}",
        "community.yaml:2: community.id: given twice, first on line 2; remove one",
    ),
    ("on: x", "community.yaml:2: on: YAML reads the key on as true/false, a key is a word; quote it"),
    ("rules:\n  - no: 1", "community.yaml:3: rules[0].no: YAML reads the key no as true/false"),
    ("12: x", "community.yaml:2: 12: YAML reads the key 12 as a number, a key is a word; quote it"),
    ("? [a, b]\n: x", "community.yaml:2: a key must be a word, found a list or a mapping"),
    ("<<: {id: x}", "community.yaml:2: <<: YAML reads the key << as a merge of another mapping"),
    ("places: &a []", "community.yaml:2: anchors (&a) are not read; write the value out"),
    ("places: *a", "community.yaml:2: aliases (*a) are not read; write the value out"),
    ("places: !!python/object:os.system []", "community.yaml:2: tags (tag:yaml.org,2002:python/object:os.system)"),
    ("places: " + "[" * 5000, "community.yaml:2: nested deeper than 24 levels"),
    ("places: [{id: a,\n  name: b", "not valid YAML: while parsing"),
    ("places: 2026-13-45", "community.yaml:2: places: YAML cannot read 2026-13-45 as a date; put it in quotes"),
    ("places: [2026-13-45]", "community.yaml:2: places[0]: YAML cannot read 2026-13-45 as a date; put it in quotes"),
    ("---\nplaces: []", "one document a file, found a second ---"),
    ("places: {a: b}", "community.yaml:2: places: expected a list (lines that begin with -), found a mapping with a"),
    ("places: [3]", "community.yaml:2: places[0]: expected a mapping (key: value), found 3"),
    ("include: more.yaml", 'community.yaml:2: include: expected a list of files, found "more.yaml"'),
]


def test_what_stands_in_a_misspelt_section_is_not_missed(tmp_path: Path) -> None:
    assert [problem.key for problem in read(tmp_path, ("channels:", "chanels:")).problems] == ["chanels"]


@pytest.mark.parametrize(("text", "expected"), YAML_TRAPS)
def test_traps_of_yaml_are_explained(tmp_path: Path, text: str, expected: str) -> None:
    problems = said(read(write(tmp_path, {}).parent, community=f"anju: 1\n{text}\n"))
    assert any(expected in problem for problem in problems), problems


def test_a_bare_no_is_explained(tmp_path: Path) -> None:
    (problem,) = said(read(tmp_path, ("sex: female", "sex: no")))
    assert problem == (
        "more.yaml:13: residents[0].sex: expected one of male, female, unknown, found false "
        "(YAML reads a bare yes, no, on, off as true or false: quote it if the word is meant)"
    )


@pytest.mark.parametrize(
    "data", [b"\xff\xfea\x00", b"anju: 1\nplaces: [\xe4]\n", b"\x00\x01", b"", b"- a\n", b"\xef\xbb\xbf"]
)
def test_a_file_that_is_no_community_is_refused_not_crashed_on(tmp_path: Path, data: bytes) -> None:
    main = tmp_path / "community.yaml"
    main.write_bytes(data)
    with pytest.raises(ConfigError, match=r"community.yaml:\d+: "):
        load_community(main)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"none.yaml:1: 无法读取 cannot be read: No such file or directory; check the path"
    ):
        load_community(tmp_path / "none.yaml")


INCLUDES = [
    ("[/etc/passwd]", "include[0]: /etc/passwd is absolute; give it relative to this file"),
    ("[../other.yaml]", "include[0]: ../other.yaml leads outside the community's directory; move the file into it"),
    ("[link.yaml]", "include[0]: link.yaml leads outside the community's directory; move the file into it"),
    ("[none.yaml]", "include[0]: no file is called none.yaml in inner/; check the name"),
    ("[none/*.yaml]", "include[0]: no file is called none/*.yaml in inner/; check the name"),
    ("[more.yaml, more.yaml]", "include[1]: more.yaml is included twice; name it once"),
    ("[loop.yaml]", "include[0]: community.yaml includes itself (community.yaml → loop.yaml → community.yaml)"),
    ("[folder]", "include[0]: folder is no file; to include a folder write folder/*.yaml"),
    ("[3]", "include[0]: expected a file name or a pattern, found 3"),
]


@pytest.mark.parametrize(("include", "expected"), INCLUDES)
def test_includes_that_lead_astray_are_refused(tmp_path: Path, include: str, expected: str) -> None:
    (tmp_path / "other.yaml").write_text("places: []\n", encoding="utf-8")
    inner = tmp_path / "inner"
    (inner / "folder").mkdir(parents=True)
    (inner / "link.yaml").symlink_to(tmp_path / "other.yaml")
    (inner / "loop.yaml").write_text("include: [community.yaml]\n", encoding="utf-8")
    problems = said(read(inner, ("include: [more.yaml]", f"include: {include}")))
    assert any(expected in problem for problem in problems), problems


def test_folders_of_files_are_joined_in_order_and_a_rule_may_be_a_file(tmp_path: Path) -> None:
    rule = "id: {id}\nversion: 1\nzh: 测\nen: x\nform: event\nkinds: [smoke]\nevents: [smoke]\nraises: {raises}\n"
    main = small(tmp_path, ("include: [more.yaml]", "include: [more.yaml, rules/*.yaml, more/a.yaml]"))
    raises = "{type: smoke, severity: emergency, ladder: life}"
    write(
        tmp_path,
        {
            "rules/b.yaml": rule.format(id="smoke-b", raises=raises),
            "rules/a.yaml": rule.format(id="smoke-a", raises=raises),
            "more/a.yaml": "include: [b.yaml]\nplaces: [{id: extra-a, level: 户, name: a}]\n",
            "more/b.yaml": "places: [{id: extra-b, level: 户, name: b}]\n",
        },
    )
    community = load_community(main)
    assert [rule.id for rule in community.rules] == ["smoke-a", "smoke-b", "sos-pressed"]
    assert [place.id for place in community.places[-2:]] == ["extra-b", "extra-a"]

    write(tmp_path, {"rules/b.yaml": rule.format(id="smoke-b", raises=raises.replace("smoke", "smok"))})
    with pytest.raises(
        ConfigError,
        match=r"rules/b.yaml:8: raises.type: 未知的报警类型 unknown alarm type \"smok\".*did you mean smoke\?",
    ):
        load_community(main)


def test_duplicate_ids_name_the_first(tmp_path: Path) -> None:
    result = read(tmp_path, ("devices:\n", "devices:\n  - {id: sos-1, kind: smoke, place: town}\n"))
    assert (
        "more.yaml:21: devices[1].id: sos-1 is given twice, give each its own id; the first stands at more.yaml:20"
        in said(result)
    )


KEYBOARD = [
    ("places:\n\t- id: a", "3: 第 3 行用制表符缩进，请改为空格 line 3 is indented with a tab; use spaces"),
    ("places:\n  - id: a\n\tname: b", "4: 第 4 行用制表符缩进，请改为空格 line 4 is indented with a tab"),
    ("places：\n  - id: a", "2: 第 2 行的“：”是全角冒号，请改为半角 “: ” full-width colon"),
    ("places:\n  - id: a\n    name： b\n\n    level: 户", "4: 第 4 行的“：”是全角冒号"),
    ("places:\n  - id：a\n    name: b", "3: 第 3 行的“：”是全角冒号"),
    ("places:\n  - {id：a, name: b}", "3: places[0].id：a: 第 3 行的“：”是全角冒号"),
    ("places:\n  - {id: a， name: b}", "3: 第 3 行的“，”是全角逗号"),
    ("places:\n  - {id: [a]， name: b}", "3: 第 3 行的“，”是全角逗号"),
    ('places:\n  - {id: "a”, name: b}', "3: 第 3 行的「”」是全角引号"),
    ("places:\n  - id: a\n    level:door\n    name: b", "4: 第 4 行的“level:”后面缺空格 line 4: put a space after"),
]


@pytest.mark.parametrize(("text", "expected"), KEYBOARD)
def test_what_a_chinese_keyboard_leaves_behind_is_named_where_it_stands(
    tmp_path: Path, text: str, expected: str
) -> None:
    texts = printed(read_community(write(tmp_path, {"community.yaml": f"anju: 1\n{text}\n"})))
    assert any(f"community.yaml:{expected}" in line for line in texts), texts


def test_full_width_marks_in_what_people_read_are_left_alone() -> None:
    text = 'a: 3号楼：东侧，“小门” # 注：见\nb: ["x：y，z"]\n'
    assert read_yaml("x.yaml", text.encode()) == ({"a": "3号楼：东侧，“小门”", "b": ["x：y，z"]}, [])
    _, (problem,) = read_yaml("x.yaml", f"{text}c: [\n".encode())
    assert problem.message.startswith("not valid YAML: ")


def test_every_message_opens_in_chinese(tmp_path: Path) -> None:
    unnamed = []
    for number, (fault, expected) in enumerate(ONE_FAULT):
        for problem in read(tmp_path / str(number), fault).problems:
            if chinese(problem.message) == "写法不对":
                unnamed.append((problem.message, expected))
    assert unnamed == []


def test_a_wrong_alarm_type_does_not_hide_what_else_is_wrong_in_the_rule(tmp_path: Path) -> None:
    raises = "raises: {type: personal_emergency, severity: emergency, ladder: life}"
    wrong = "raises: {type: personal_emergncy, severity: emergency, ladder: live}"
    result = read(tmp_path, (raises, wrong), ("events: [press]", "events: [pres]"))
    assert {problem.key for problem in result.problems} == {
        "rules[0].raises.type",
        "rules[0].raises.ladder",
        "rules[0]",
    }


def test_a_wrong_alarm_type_does_not_hide_a_wrong_condition(tmp_path: Path) -> None:
    rule = (
        "rules:\n  - {id: heart, version: 1, zh: 心率, en: x, form: threshold, kinds: [vitals_monitor],\n"
        "     when: heart_rte > 120, raises: {type: nonsense, severity: service, ladder: life}}\n"
    )
    result = read(tmp_path, ("rules:\n", rule))
    assert {problem.key for problem in result.problems} == {"rules[0].raises.type", "rules[0].when"}


def test_a_key_that_stands_one_level_too_high_is_sent_to_its_place(tmp_path: Path) -> None:
    result = read(tmp_path, ("rules:\n", "rules:\n  - {use: smoke-alarm, ladder: life}\n"))
    (problem,) = [problem for problem in result.problems if problem.key == "rules[0].ladder"]
    assert problem.message.endswith("; ladder belongs into raises: {…}")


@given(st.binary(max_size=200) | st.text(alphabet="ab:-,[]{}\n #&*!?|>'\"1~<", max_size=80).map(str.encode))
def test_no_text_breaks_the_reader_and_what_it_reads_is_what_yaml_says(data: bytes) -> None:
    value, problems = read_yaml("x.yaml", data)
    if not problems:
        assert value == yaml.load(data, Loader=yaml.CSafeLoader)


def test_thousands_of_faults_are_told_in_seconds(tmp_path: Path) -> None:
    rows = "".join(f"  - {{id: d{n}, kind: smoke, place: nowhere-{n}}}\n" for n in range(5000))
    places = "".join(f"  - {{id: somewhere-{n}, level: 户, name: x}}\n" for n in range(5000))
    result = read(tmp_path, ("devices:\n", f"devices:\n{rows}"), ("places:\n", f"places:\n{places}"))
    assert len(result.errors) == 5000


def test_the_examples_of_the_library_go_where_its_rule_decides_otherwise(tmp_path: Path) -> None:
    for laid, kept in (("", True), (", for_s: 60", False)):
        result = read(tmp_path, ("rules:\n", f"rules:\n  - {{use: bp-low, raises: {{ladder: life}}{laid}}}\n"))
        assert result.community is not None
        (found,) = (rule for rule in result.community.rules if rule.id == "bp-low")
        assert bool(found.examples) is kept, "they tell what the library's rule decides"
