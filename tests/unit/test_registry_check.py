"""References between the parts of a community: what is missing, who would not be reached, what must not stand there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gateway.registry.load import read_community
from tests.support import homes
from tests.support.registry import read, said

LIMIT = "{{name: spo2_low, value: {}, from: {}, until: {}, set_by: {}}}"
FAULTS = [
    (("parent: b3,", "parent: b4,"), "error", "places[3].parent: there is no place b4; add it to places or correct"),
    (("home: b3-501", "home: b3-502"), "error", "residents[0].home: there is no place b3-502"),
    (("doctor: op", "doctor: dr"), "error", "residents[0].doctor: there is no person dr"),
    (("{person: daughter,", "{person: son,"), "error", "residents[0].family[0].person: there is no person son"),
    (
        ("relation: 女儿}]", "relation: 女儿}, {person: daughter, relation: 邻居}]"),
        "error",
        "residents[0].family[1].person: daughter stands in the family twice",
    ),
    (("place: b3-501, res", "place: b9, res"), "error", "devices[0].place: there is no place b9"),
    (("resident: li}", "resident: lee}"), "error", "devices[0].resident: there is no resident lee"),
    (("{channel: messenger, to: op}", "{channel: mesenger, to: op}"), "error", "did you mean messenger?"),
    (("{channel: messenger, to: op}", "{channel: messenger, to: ''}"), "error", "people[0].contacts[0].to: empty"),
    (("contacts: [{channel: messenger, to: op}]", "contacts: []"), "error", "op is on duty and cannot be reached"),
    (
        ("contacts: [{channel: messenger, to: d}, {channel: messenger, to: d2}]", "contacts: []"),
        "warning",
        "people[1]: daughter is to be told as family and cannot be reached",
    ),
    (("place: town, people", "place: city, people"), "error", "rosters[0].duties[0].place: there is no place city"),
    (("people: [op]}]", "people: [op, pp]}]"), "error", "rosters[0].duties[0].people[1]: there is no person pp"),
    (
        ("people: [op]}]", "people: [op]}, {role: control_room, place: town, people: [op]}]"),
        "error",
        "rosters[0].duties[1]: role control_room is given twice for place town",
    ),
    (
        ("people: [op]}]", "people: [op]}, {role: control_rom, place: town, people: [op]}]"),
        "warning",
        "rosters[0].duties[1].role: no ladder tells role control_rom; did you mean control_room?",
    ),
    (
        ("notify: [{family: true}]", "notify: [{person: nobody}]"),
        "error",
        "ladders[0].rungs[1].notify[0].person: there is no person nobody",
    ),
    (
        ("notify: [{family: true}]", "notify: [{role: grid_staff}]"),
        "error",
        "ladders[0].rungs[1].notify[0].role: role grid_staff is in no roster, so nobody comes to b3-501; add a duty",
    ),
    (("family: [{person: daughter, relation: 女儿}]", "family: []"), "warning", "ladder life tells the family"),
    (
        ('emergency_line: {url: "http://${CENTRE_HOST}:${CENTRE_PORT}"}\n', ""),
        "error",
        "ladders[0].rungs[2].call: the rung calls 120, but there is no emergency_line section",
    ),
    ((', call: "120"}', ", notify: [{family: true}]}"), "warning", "life safety without a rung that calls"),
    ((", call_back: 000-1", ""), "warning", "community.call_back: life calls an emergency line"),
    (("ladder: life}", "ladder: lief}"), "error", "rules[0].raises.ladder: there is no ladder lief"),
    (("cancel_window_s: 30", "cancel_window_s: 0"), "warning", "has cancel_events, but ladder life"),
    (("subject: resident", "subject: resident\n    enabled: false"), "warning", "no rule looks at sos_button"),
    (("resident: li}", "resident: li, via: hub}"), "error", "devices[0].via: there is no device hub; add it"),
    (
        ("resident: li}", "resident: li, via: sos-1}"),
        "error",
        "devices[0].via: the device is carried by itself (sos-1 → sos-1); correct one of the via",
    ),
    (
        ("resident: li}", "resident: li, via: hub}\n  - {id: hub, kind: concentrator, place: b3, status: retired}"),
        "warning",
        "devices[0].via: hub is retired and carries nothing",
    ),
    (
        ("doctor: op", f"doctor: op\n    limits: [{LIMIT.format(1, '2026-03-02', '2026-03-01', 'op')}]"),
        "error",
        "residents[0].limits[0].until: limit spo2_low ends before it begins (from 2026-03-02, until 2026-03-01)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "level", "expected"), FAULTS)
def test_a_reference_that_leads_nowhere_is_named(
    tmp_path: Path, fault: tuple[str, str], level: str, expected: str
) -> None:
    result = read(tmp_path, fault)
    found = [(problem.level, text) for problem, text in zip(result.problems, said(result), strict=True)]
    assert any(at == level and expected in text for at, text in found), found
    assert (result.community is None) == any(at == "error" for at, _ in found)


def test_a_hole_for_work_that_is_not_life_safety_is_a_warning(tmp_path: Path) -> None:
    quiet = "  - {id: quiet, rungs: [{id: a, after_s: 0, notify: [{role: plumber}]}]}\nrosters:\n"
    rule = (
        "rules:\n  - {id: served, version: 1, zh: 测, en: x, form: event, kinds: [sos_button], events: [low_battery],\n"
        "     raises: {type: low_battery, severity: service, ladder: quiet}}\n"
    )
    result = read(tmp_path, ("rosters:\n", quiet), ("rules:\n", rule))
    assert [problem.level for problem in result.problems] == ["warning"]
    assert "role plumber is in no roster, so nobody comes to b3-501" in said(result)[0]


def test_life_safety_on_an_ordinary_ladder_is_a_warning(tmp_path: Path) -> None:
    quiet = "  - {id: quiet, rungs: [{id: a, after_s: 0, notify: [{role: control_room}]}]}\nrosters:\n"
    result = read(tmp_path, ("rosters:\n", quiet), ("ladder: life}", "ladder: quiet}"))
    assert any("personal_emergency is life safety, ladder quiet is not" in text for text in said(result))


def test_places_in_a_circle_are_found_once(tmp_path: Path) -> None:
    result = read(tmp_path, ("name: {zh: 团结湖街道", "parent: b3, name: {zh: 团结湖街道"))
    circles = [text for text in said(result) if "lies in itself" in text]
    assert circles == [
        "more.yaml:2: places[0].parent: the place lies in itself (town → b3 → grid → town); correct one of the parents"
    ]


def test_devices_that_carry_each_other_are_found_once(tmp_path: Path) -> None:
    hubs = "  - {id: a, kind: modem, place: b3, via: b}\n  - {id: b, kind: gateway, place: b3, via: a}"
    result = read(tmp_path, ("resident: li}", f"resident: li, via: a}}\n{hubs}"))
    assert [text for text in said(result) if "carried" in text] == [
        "more.yaml:20: devices[0].via: the device is carried by itself (a → b → a); correct one of the via"
    ]


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        (("2026-03-01", "2026-03-31"), ("2026-04-01", "2026-04-30"), False),
        (("2026-03-01", "2026-03-31"), ("2026-03-31", "2026-04-30"), True),
        (("2026-03-01", "2026-03-31 08:00"), ("2026-03-31 08:00", "null"), False),
        (("2026-03-01", "2026-03-31 08:00"), ("2026-03-31 07:59", "null"), True),
        (("2026-03-01", "2026-03-31 08:00"), ("2026-03-31T00:00:00Z", "null"), False),
        (("null", "null"), ("2026-04-01", "2026-04-30"), True),
        (("2026-05-01", "null"), ("null", "2026-04-30"), False),
    ],
)
def test_of_two_limits_of_a_name_one_is_valid_at_a_time(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str], overlap: bool
) -> None:
    limits = ", ".join((LIMIT.format(88, *first, "dr-chen"), LIMIT.format(92, *second, "张医生")))
    result = read(tmp_path, ("doctor: op", f"doctor: op\n    limits: [{limits}]"))
    found = [text for text in said(result) if "limits[1]: limit spo2_low stands twice for the same time: 88" in text]
    assert bool(found) is overlap, said(result)
    if found:
        assert "(set by dr-chen) and 92" in found[0]
        assert "(set by 张医生); end one before the other begins" in found[0]


SPO2_LOW = (
    "rules:\n",
    "rules:\n  - {id: low, version: 1, zh: 低, en: low, form: threshold, kinds: [vitals_monitor],\n"
    "     when: 'spo2 < limit(spo2_low, 90)', raises: {type: vitals_abnormal, severity: urgent, ladder: life}}\n",
)


def with_limit(tmp_path: Path, name: str, value: float) -> list[str]:
    limit = f"{{name: {name}, value: {value}, set_by: dr}}"
    result = read(tmp_path, SPO2_LOW, ("doctor: op", f"doctor: op\n    limits: [{limit}]"))
    return [text for text in said(result) if "limits[0]" in text]


def test_a_limit_that_no_rule_reads_is_a_warning(tmp_path: Path) -> None:
    assert with_limit(tmp_path / "read", "spo2_low", 86) == []
    (unread,) = with_limit(tmp_path / "unread", "spo_low", 86)
    assert unread.endswith("limits[0].name: no rule reads limit spo_low; did you mean spo2_low?")


def test_a_limit_with_which_a_rule_makes_no_sense_is_an_error(tmp_path: Path) -> None:
    (found,) = with_limit(tmp_path, "spo2_low", 860)
    assert "limits[0].value: limit spo2_low of 860 makes no sense in rule low: " in found
    assert "; correct the value" in found


def test_a_faulty_entry_is_not_missed_a_second_time(tmp_path: Path) -> None:
    result = read(tmp_path, ("{id: op, name: 王敏", "{id: op, nam: 王敏"))
    assert [problem.key for problem in result.problems] == ["people[0].nam", "people[0].name"]


def test_a_missing_place_is_said_once_and_not_what_follows_from_it(tmp_path: Path) -> None:
    result = read(tmp_path, ("parent: grid,", "parent: gird,"))
    assert [(problem.level, problem.key) for problem in result.problems] == [
        ("error", "places[2].parent"),
        ("warning", "devices[0].place"),
    ]
    assert "role coverage was not checked for b3-501" in said(result)[1]


def test_a_faulty_place_leaves_the_roles_below_it_unchecked_and_says_so(tmp_path: Path) -> None:
    result = read(tmp_path, ("{id: b3, level: 楼", "{id: b3, levl: 楼, level: 楼"))
    assert [problem.key for problem in result.problems] == ["places[2].levl", "devices[0].place"]


def test_a_list_with_one_faulty_entry_is_not_called_empty(tmp_path: Path) -> None:
    result = read(tmp_path, ("place: town, people", "plcae: town, people"))
    assert {problem.key for problem in result.problems} == {
        "rosters[0].duties[0].plcae",
        "rosters[0].duties[0].place",
    }


def test_a_roster_for_a_missing_place_is_said_once(tmp_path: Path) -> None:
    result = read(tmp_path, ("place: town, people", "place: twon, people"))
    assert [problem.key for problem in result.problems] == ["rosters[0].duties[0].place"]


def test_a_misspelt_role_is_said_at_the_ladder_only(tmp_path: Path) -> None:
    result = read(tmp_path, ("notify: [{role: control_room}]", "notify: [{role: control_rom}]"))
    assert said(result) == [
        "community.yaml:23: ladders[0].rungs[0].notify[0].role: role control_rom is in no roster; "
        "did you mean control_room?"
    ]


URLS = [
    ("json://user:hunter2@host/{to}", "a password stands in the URL; secrets never stand in the YAML"),
    ("https://host/send?access_token=abc&to={to}", "access_token= carries a secret"),
    ("json://host/{to}?-X-Api-Key=1", None),
    ("wecombot://693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa", "the URL carries what looks like a key"),
    ("tgram://123456789:abcdefghijklmnopqrstuvwxyz/{to}", "a password stands in the URL"),
    ("json://${host}/{to}", "${host} is no name of a secret"),
    ("json://host/{who}", "unknown placeholder {who}; expected {to}"),
    ("not a url", 'expected a URL such as json://host/path, found "not a url"'),
    ("json://[::1", "expected a URL such as json://host/path"),
    ("json://${USER}:${PASSWORD}@host/{to}?token=${TOKEN}", None),
    ("wecombot://${WECOM_KEY}", None),
    ("mailto://${MAIL_USER}:${MAIL_PASSWORD}@example.org?to={to}", None),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_secrets_never_stand_in_the_yaml(tmp_path: Path, url: str, expected: str | None) -> None:
    texts = said(read(tmp_path, ('"json://${MESSENGER_HOST}/inbox/{to}"', f'"{url}"')))
    if expected is None:
        assert texts == []
    else:
        assert any(f"channels[0].url: {expected}" in text for text in texts), texts


def test_a_webhook_names_its_secret(tmp_path: Path) -> None:
    hook = '  - {id: hook, type: webhook, url: "https://host/x", secret: s3cr3t}\nrules:\n'
    texts = said(read(tmp_path, ("rules:\n", hook)))
    assert len(texts) == 1
    assert "channels[1].secret: expected the NAME of a secret in capitals" in texts[0]
    assert "s3cr3t" not in texts[0]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("{armed: true, mobility: chair}", None),
        ('{armed: "yes"}', 'armed: attribute armed is the text "yes"; expected true or false without quotes'),
        ("{armd: true}", "armd: no rule reads attribute armd; did you mean armed?"),
    ],
)
def test_attributes_that_rules_would_miss_are_warned_of(tmp_path: Path, attributes: str, expected: str | None) -> None:
    document = homes.community(1) | {"rules": [{"use": "sos-pressed"}, {"use": "intrusion-armed"}]}
    document["places"][-1]["attributes"] = yaml.safe_load(attributes)
    found = read_community(homes.write_community(tmp_path / "community.yaml", document)).problems
    warned = [f"{one.key}: {one.message}" for one in found if ".attributes." in one.key]
    assert [one.partition(".attributes.")[2] for one in warned] == ([expected] if expected else [])
    assert all(one.level == "warning" for one in found)
