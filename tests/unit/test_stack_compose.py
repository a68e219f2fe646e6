"""The compose files: valid by the specification, and by our own rules about what a service of a deployment may be."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml

from dashboards.boards import BOARDS
from dashboards.text import LANGUAGES
from gateway.grafana.wanted import CARE, FOLDER_UIDS
from gateway.init.deployment import CONTAINER_OWNERS
from gateway.settings import load_settings
from tests.support.stack import ROOT, Stack, compose, open_directory

FILES = ("docker-compose.yml", "deploy/compose.serial.yml")
STACK = "${ANJU_STACK:-./anju-stack}"
COMMUNITY = "${ANJU_COMMUNITY:-./examples/tuanjiehu}"
EXCEPTIONS = {
    ("init", "user"): "it gives each service's files to that service, which root alone can do; it has no network",
    ("init", "healthcheck"): "it ends",
    ("init", "restart"): "it is run by hand",
    ("init", "init"): "it starts no process",
    ("init", "logging"): "it ends",
}
"""Rules that a service does not keep, and why."""

DOCUMENT: dict[str, Any] = compose()
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with open_directory() as directory:
        made = Stack(directory)
        made.init()
        yield made


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES)
def test_it_is_valid_by_the_compose_specification(path: str) -> None:
    schema = json.loads((files("check_jsonschema.builtin_schemas.vendor") / "compose-spec.json").read_text())
    assert schema["$defs"]["service"], "the schema is not what it was"
    validator = jsonschema.Draft202012Validator(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose(path))] == []
    broken = yaml.safe_load(text("docker-compose.yml").replace("mem_limit", "memory_limit"))
    assert list(validator.iter_errors(broken)), "the schema lets anything through"


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_to_one_version(name: str) -> None:
    image, tag = SERVICES[name]["image"].split(":")
    assert re.fullmatch(r"\d+\.\d+\.\d+", tag), f"{image} is pinned to {tag!r}"
    if "build" in SERVICES[name]:
        assert tag == tomllib.loads(text("pyproject.toml"))["project"]["version"]
    if image == "influxdb":
        assert tag.startswith("2.9.")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    uid = service["user"].split(":")[0]
    faults = {
        "cap_drop": service.get("cap_drop") == ["ALL"],
        "cap_add": name == "init" or "cap_add" not in service,
        "security_opt": service.get("security_opt") == ["no-new-privileges:true"],
        "read_only": service.get("read_only") is True,
        "user": uid.isdecimal() and uid != "0",
        "healthcheck": len(service.get("healthcheck", {}).get("test", [])) > 1,
        "restart": service.get("restart") == "unless-stopped",
        "init": service.get("init") is True,
        "logging": set(service.get("logging", {}).get("options", {})) == {"max-size", "max-file"},
        "mem_limit": "mem_limit" in service,
        "cpus": "cpus" in service,
        "pids_limit": "pids_limit" in service,
        "privileged": not service.get("privileged"),
        "network_mode": service.get("network_mode") in (None, "none", "service:gateway"),
        "pid": "pid" not in service and "ipc" not in service,
        "volumes": "docker.sock" not in json.dumps(service),
    }
    assert [rule for rule, kept in faults.items() if not kept and (name, rule) not in EXCEPTIONS] == []
    assert [rule for (who, rule) in EXCEPTIONS if who == name and faults[rule]] == [], "an exception without need"


@pytest.mark.parametrize("name", [name for name in SERVICES if name in CONTAINER_OWNERS])
def test_services_run_as_those_whom_init_gives_their_files(name: str) -> None:
    owner = CONTAINER_OWNERS[name]
    assert SERVICES[name]["user"] == f"{owner.uid}:{owner.gid}"


def test_only_the_broker_is_reached_from_outside_and_by_tls_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "mosquitto": ["${ANJU_MQTT_BIND:-0.0.0.0:8883}:8883"],
        "grafana": ["${ANJU_WALL_BIND:-127.0.0.1:3000}:3000"],
        "gateway": ["${ANJU_DESK_BIND:-127.0.0.1:8120}:8120"],
    }
    assert SERVICES["influxdb"]["networks"] == ["telemetry"]
    assert DOCUMENT["networks"]["telemetry"]["internal"] is True


def test_nothing_that_saves_a_life_waits_for_a_store_or_a_wall() -> None:
    needs = SERVICES["gateway"]["depends_on"]
    assert needs == ["mosquitto"]


@pytest.mark.parametrize("path", FILES)
def test_no_secret_stands_in_a_compose_file(path: str) -> None:
    for name, service in compose(path)["services"].items():
        environment: dict[str, Any] = service.get("environment", {})  # type: ignore[assignment]
        for key, value in environment.items():
            if re.search(r"PASSWORD|TOKEN|SECRET|CREDENTIAL", key):
                assert key.endswith("_FILE"), f"{name}: {key} carries a secret"
                assert str(value).startswith("/run/secrets/"), f"{name}: {key}"
    for name, secret in compose(path).get("secrets", {}).items():
        assert list(secret) == ["file"], name


def test_every_secret_is_made_used_and_handed_to_whom_it_belongs(stack: Stack) -> None:
    defined = DOCUMENT["secrets"]
    used = {secret: name for name, service in SERVICES.items() for secret in service.get("secrets", ())}
    assert set(used) == set(defined)
    for secret, name in used.items():
        path = defined[secret]["file"].replace(STACK, str(stack.directory))
        assert (stack.directory / path).is_file(), path
        assert defined[secret]["file"].removeprefix(STACK + "/").split("/")[0] == name
    for name, service in SERVICES.items():
        for value in map(str, service.get("environment", {}).values()):
            if value.startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], f"{name}: {value}"


def mounts() -> Iterator[tuple[str, str, str]]:
    """(service, source, target) of all that is mounted."""
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            if isinstance(volume, dict):
                yield name, volume["source"], volume["target"]
            else:
                # A default has a colon of its own: ${NAME:-./x}:/target
                source, target = re.fullmatch(r"((?:\$\{[^}]*\}|[^:$])+):([^:]+)(?::ro)?", volume).groups()  # type: ignore[union-attr]
                yield name, source, target


def test_every_mounted_path_exists(stack: Stack) -> None:
    named = set()
    for name, source, target in mounts():
        if source.startswith(STACK):
            assert (stack.directory / source.removeprefix(STACK).lstrip("/")).exists(), f"{name}: {source}"
        elif source.startswith(COMMUNITY):
            assert (ROOT / "examples/tuanjiehu/community.yaml").exists()
            assert target == "/etc/anju-community"
        elif source.startswith("./"):
            assert (ROOT / source).exists(), f"{name}: {source}"
        else:
            named.add(source)
    assert named == set(DOCUMENT["volumes"])


def test_what_can_be_set_stands_in_its_heading_with_its_default() -> None:
    content = text("docker-compose.yml")
    heading = dict(re.findall(r"^#   (ANJU_\w+)  +(\S+)", content, re.MULTILINE))
    used = dict(re.findall(r"\$\{(ANJU_\w+):-([^}]*)\}", content))
    assert set(re.findall(r"\$\{(\w+)", content)) == set(used), "a variable without a default"
    assert set(heading) == set(used)
    assert {name: default for name, default in used.items() if default and heading[name] != default} == {}


def test_the_gateway_finds_what_its_settings_name(stack: Stack) -> None:
    targets = {target: source for name, source, target in mounts() if name == "gateway"}
    settings = load_settings(stack.directory / "gateway/settings.yaml")
    assert targets[str(settings.data_dir)] == "gateway-data"
    assert targets["/etc/anju"] == f"{STACK}/gateway"
    for path in (settings.secrets_dir, settings.broker.tls_ca):
        assert path is not None
        assert (stack.directory / "gateway" / path.relative_to("/etc/anju")).exists()
    assert settings.broker.host in SERVICES
    assert f"ANJU_SETTINGS:-{'/etc/anju'}/settings.yaml" in text("deploy/image/entrypoint.sh")
    influx = SERVICES["influxdb"]["environment"]
    assert (influx["DOCKER_INFLUXDB_INIT_ORG"], influx["DOCKER_INFLUXDB_INIT_BUCKET"]) == (
        settings.store.org,
        settings.store.bucket,
    )
    grafana = SERVICES["grafana"]["environment"]
    assert (grafana["ANJU_INFLUX_URL"], grafana["ANJU_INFLUX_BUCKET"]) == (settings.store.url, settings.store.bucket)


# --- Grafana's provisioning -------------------------------------------------------------------------------------------


def provisioning(part: str) -> Iterator[dict[str, Any]]:
    for file in sorted((ROOT / "dashboards/provisioning" / part).glob("*.yaml")):
        yield yaml.safe_load(file.read_text(encoding="utf-8"))


def test_grafana_is_given_what_its_provisioning_asks_for() -> None:
    grafana = SERVICES["grafana"]
    given = {f"/run/secrets/{name}" for name in grafana["secrets"]}
    for file in (ROOT / "dashboards/provisioning").rglob("*.yaml"):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
        content = "\n".join(lines)
        assert set(re.findall(r"\$__file\{([^}]+)\}", content)) <= given, file
        assert set(re.findall(r"(?<!\$)\$\{?(ANJU_\w+)", content)) <= set(grafana["environment"]), file


def test_the_data_source_is_the_one_that_boards_ask() -> None:
    (source,) = next(provisioning("datasources"))["datasources"]
    assert (source["uid"], source["type"], source["access"]) == ("anju-influx", "influxdb", "proxy")
    assert source["jsonData"]["httpHeaderName1"] == "Authorization"
    assert source["secureJsonData"]["httpHeaderValue1"] == "Token $__file{/run/secrets/grafana_influx_token}"
    assert source["jsonData"]["version"] == "InfluxQL"


def test_boards_go_to_their_folders_by_language() -> None:
    providers = next(provisioning("dashboards"))["providers"]
    (json_mount,) = (target for name, source, target in mounts() if name == "grafana" and source == "./dashboards/json")
    found = {(one["folder"], one["folderUid"], one["options"]["path"]) for one in providers}
    assert found == {
        ("安居", "anju-zh", f"{json_mount}/zh"),
        ("Anju", "anju-en", f"{json_mount}/en"),
        (CARE.zh, "anju-zh-care", f"{json_mount}/zh-care"),
        (CARE.en, "anju-en-care", f"{json_mount}/en-care"),
    }, "as `anju grafana apply` makes them"
    assert {uid for _, uid, _ in found} <= set(FOLDER_UIDS)
    for board in BOARDS:
        for language in LANGUAGES:
            folder = f"{language}-care" if board.private else language
            assert json.loads(text(f"dashboards/json/{folder}/{board.uid}.json"))["uid"] == f"{board.uid}-{language}"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{json_mount}/zh/anju-wall.json"
    assert json.loads(text("dashboards/json/zh/anju-wall.json"))["uid"] == "anju-wall-zh"
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_MIN_REFRESH_INTERVAL"] == "1s"


def test_grafana_calls_nobody() -> None:
    environment = SERVICES["grafana"]["environment"]
    off = (
        "ANALYTICS_",
        "NEWS_",
        "AUTH_ANONYMOUS",
        "PLUGINS_PLUGIN_ADMIN",
        "PLUGINS_PREINSTALL_AUTO",
        "SNAPSHOTS_EXTERNAL",
    )
    assert {key: value for key, value in environment.items() if key.startswith(tuple(f"GF_{o}" for o in off))} == {
        key: "false" for key in environment if key.startswith(tuple(f"GF_{o}" for o in off))
    }
    assert environment["GF_SECURITY_DISABLE_GRAVATAR"] == environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"


# --- the image --------------------------------------------------------------------------------------------------------


def test_the_image_holds_no_more_than_it_needs() -> None:
    lines = re.sub(r"\\\n", " ", text("Dockerfile")).splitlines()
    said = [line.split(None, 1) for line in lines if line and not line.lstrip().startswith("#")]
    stages = [rest for word, rest in said if word == "FROM"]
    assert stages == ["python:${PYTHON} AS build", "python:${PYTHON}"]
    assert re.search(r"^ARG PYTHON=3\.\d+\.\d+-slim-\w+$", text("Dockerfile"), re.MULTILINE)
    final = said[max(index for index, (word, _) in enumerate(said) if word == "FROM") :]
    words = dict(final)
    owner = CONTAINER_OWNERS["gateway"]
    assert words["USER"] == f"{owner.uid}:{owner.gid}"
    assert "ADD" not in words
    assert json.loads(words["ENTRYPOINT"]) == ["/opt/anju/entrypoint.sh"]
    assert json.loads(words["CMD"]) == ["serve"]
    assert json.loads(words["HEALTHCHECK"].split(" CMD ")[1])[1] == SERVICES["gateway"]["healthcheck"]["test"][2]
    assert not re.search(r"gcc|build-essential|-dev\b", text("Dockerfile"))
    for _, rest in (entry for entry in final if entry[0] == "COPY" and "--from" not in entry[1]):
        *sources, _target = rest.split()
        assert [source for source in sources if not (ROOT / source).exists()] == []


def test_what_init_makes_is_never_committed() -> None:
    default = STACK.removeprefix("${ANJU_STACK:-.").removesuffix("}")
    assert {f"{default}/", "/.env"} <= set(text(".gitignore").split())


def test_only_what_is_named_gets_into_the_image() -> None:
    rules = [line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    admitted = {rule[1:] for rule in rules if rule.startswith("!")}
    assert [path for path in admitted if not (ROOT / path).exists()] == []
    copied = re.search(r"^cp -R (.+) \"", text("deploy/image/build.sh"), re.MULTILINE)
    assert copied is not None
    assert set(copied.group(1).split()) | {"deploy/image", "examples"} == admitted
