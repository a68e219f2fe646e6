"""`anju init`: made once, kept for ever, private to each service; certificates that are renewed in time."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from typer.testing import CliRunner

from gateway.cli import app
from gateway.init import broker, certificates, credentials, deployment
from gateway.init.certificates import RENEW_WITHIN, SERVER_LIFE, Pair
from gateway.init.credentials import Credential
from gateway.init.deployment import CONTAINER_OWNERS, Kind
from gateway.init.keeper import Fate, Keeper
from gateway.settings import load_settings
from gateway.transports.broker_config import hashed, is_hash_of
from tests.support.stack import COMMUNITY, Stack, open_directory

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
SECRETS = (
    "ca/ca.key",
    "devices.csv",
    "mosquitto/server.key",
    "mosquitto/passwords",
    "mosquitto/health-password",
    "mosquitto/mosquitto_sub",
    "influxdb/admin-password",
    "influxdb/admin-token",
    "influxdb/reader-password",
    "grafana/admin-password",
    "grafana/secret-key",
    "grafana/influx-token",
    "gateway/secrets/MQTT_PASSWORD",
    "gateway/secrets/MQTT_GEAR_PASSWORD",
    "gateway/secrets/MQTT_HOME_PASSWORD",
    "gateway/secrets/MQTT_CLIENT_KEY",
    "gateway/secrets/INFLUX_TOKEN",
    "gateway/secrets/ANSWER_LINK_SECRET",
    "gateway/secrets/GRAFANA_PUSH_KEY",
    "grafana/push-key",
    "fleet/devices.csv",
)


@pytest.fixture
def stack() -> Iterator[Stack]:
    with open_directory() as directory:
        yield Stack(directory)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_second_run_changes_nothing(stack: Stack) -> None:
    first = stack.init(now_ms=NOW_MS)
    assert set(first.fates.values()) == {Fate.MADE}
    before = contents(stack.directory)
    second = stack.init(now_ms=NOW_MS + DAY_MS)
    assert set(second.fates.values()) == {Fate.KEPT}
    assert list(second.fates) == list(first.fates)
    assert contents(stack.directory) == before
    assert stack.runs[1].renewed_because is None


def test_nothing_that_is_missing_stays_missing_and_nothing_else_moves(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    before = contents(stack.directory)
    (stack.directory / "grafana/admin-password").unlink()
    keeper = stack.init(now_ms=NOW_MS)
    after = contents(stack.directory)
    assert [name for name, fate in keeper.fates.items() if fate is Fate.MADE] == ["grafana/admin-password"]
    assert {name for name in before if before[name] != after[name]} == {"grafana/admin-password"}


def test_secrets_are_their_services_alone(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    for name in SECRETS:
        assert stat.S_IMODE((stack.directory / name).stat().st_mode) == 0o600, name
    for room in ("ca", "gateway", "mosquitto", "influxdb", "grafana", "fleet", "gateway/secrets"):
        assert stat.S_IMODE((stack.directory / room).stat().st_mode) == 0o700, room
    readable = [
        str(path.relative_to(stack.directory))
        for path in stack.directory.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077
    ]
    assert all(name.endswith(".crt") for name in readable), readable
    if os.geteuid() == 0:
        for room, owner in CONTAINER_OWNERS.items():
            for path in (stack.directory / room, *(stack.directory / room).rglob("*")):
                assert (path.stat().st_uid, path.stat().st_gid) == (owner.uid, owner.gid), path
        assert (stack.directory / "ca/ca.key").stat().st_uid == 0


def test_every_secret_is_another_and_long_enough(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    with open_directory() as elsewhere:
        other = Stack(elsewhere)
        other.init(now_ms=NOW_MS)
        single = [name for name in SECRETS if name.split("/")[-1].isupper() or name.startswith(("grafana", "influxdb"))]
        assert [name for name in single if stack.read(name) == other.read(name)] == []
    values = [stack.read(name) for name in single]
    assert min(len(value) for value in values) >= 32
    # The two secrets that two services share.
    assert len(set(values)) == len(values) - 2
    assert stack.read("gateway/secrets/GRAFANA_PUSH_KEY") == stack.read("grafana/push-key")
    assert stack.read("gateway/secrets/INFLUX_TOKEN") == stack.read("influxdb/admin-token")
    assert stack.read("grafana/influx-token") == f"grafana:{stack.read('influxdb/reader-password')}"


def test_an_empty_secret_is_an_error_and_not_a_password(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    (stack.directory / "gateway/secrets/MQTT_PASSWORD").write_text("\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"MQTT_PASSWORD is empty"):
        stack.init(now_ms=NOW_MS)


def test_the_gateways_settings_are_the_operators_once_made(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    file = stack.directory / "gateway/settings.yaml"
    settings = load_settings(file)
    assert (settings.broker.managed, settings.broker.host, settings.broker.port) == (False, "mosquitto", 8883)
    assert settings.broker.tls_ca == Path("/etc/anju/ca.crt")
    assert (settings.store.kind, settings.store.url) == ("influxdb", "http://influxdb:8086")
    assert settings.secrets_dir == Path("/etc/anju/secrets")
    file.write_text(file.read_text(encoding="utf-8") + "live_dialling: false\n", encoding="utf-8")
    stack.init(now_ms=NOW_MS)
    assert file.read_text(encoding="utf-8").endswith("live_dialling: false\n")


def test_files_of_a_box_name_its_own_paths(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "etc", None)
    deployment.make(keeper, Kind.BOX, NOW_MS, community=None, names=["box.local"])
    settings = load_settings(tmp_path / "etc/gateway/settings.yaml")
    assert settings.broker.tls_ca == tmp_path / "etc/gateway/ca.crt"
    assert settings.broker.tls_ca.exists()
    assert settings.secrets.get("MQTT_PASSWORD")
    assert (settings.api.host, settings.broker.host) == ("127.0.0.1", "localhost")
    for file in re.findall(
        r"^(?:certfile|keyfile|password_file|acl_file|include_dir) (.+)$", broker_conf(keeper), re.M
    ):
        assert Path(file).exists(), file
    assert not (tmp_path / "etc/fleet").exists()


def broker_conf(keeper: Keeper) -> str:
    text = keeper.read("mosquitto/mosquitto.conf")
    assert text is not None
    return text


# --- passwords of devices ---------------------------------------------------------------------------------------------


def test_devices_keep_their_passwords_come_and_go(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    rows = credentials.read_table((stack.directory / "devices.csv").read_text(encoding="utf-8"))
    assert sorted(rows) == ["service-guo", "smoke-sun", "sos-guo", "sos-sun"]
    fewer = credentials.brought_up_to_date(rows, ["sos-guo", "sos-new"], ["adopted"])
    assert [row.device for row in fewer] == ["adopted", "sos-guo", "sos-new"]
    assert fewer[1] == rows["sos-guo"]
    again = credentials.brought_up_to_date({row.device: row for row in fewer}, ["sos-guo"], [])
    assert [row.device for row in again] == ["adopted", "sos-guo"], "one that was named by hand stays"
    assert credentials.brought_up_to_date(rows, None, []) == [rows[name] for name in sorted(rows)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("device;password\n", "expected the columns"),
        ("device,password,named_by\nsos-1,,community\n", "line 2"),
        ("device,password,named_by\nsos-1,x,somebody\n", "line 2"),
        ("device,password,named_by\nsos-1,x,hand\nsos-1,y,hand\n", "sos-1 stands twice"),
    ],
)
def test_a_damaged_table_of_devices_is_said_by_its_line(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        credentials.read_table(text)


def test_a_device_may_not_be_called_like_a_service(stack: Stack) -> None:
    with pytest.raises(ValueError, match=r"device gateway: services sign in by that name"):
        stack.init(devices=["gateway"], now_ms=NOW_MS)


def test_the_table_is_written_as_it_is_read() -> None:
    rows = [Credential("sos-1", "a,b", credentials.COMMUNITY), Credential("sos-2", 'c"d', credentials.HAND)]
    assert list(credentials.read_table(credentials.write_table(rows)).values()) == rows


def test_lines_of_the_password_file_stay_while_they_are_right() -> None:
    services = {"gateway": "secret", "health": "well"}
    first = broker.passwords(services, [("sos-1", "one"), ("sos-2", "two")], None)
    second = broker.passwords(services, [("sos-1", "one"), ("sos-2", "changed"), ("sos-3", "three")], first)
    lines = [text.splitlines() for text in (first, second)]
    assert lines[0][:3] == lines[1][:3]
    assert lines[0][3] != lines[1][3]
    assert is_hash_of(lines[1][3].partition(":")[2], "changed")
    assert not is_hash_of(hashed("x"), "y")
    assert not is_hash_of("plain", "plain")


def test_the_access_list_names_the_community_where_there_is_one() -> None:
    assert "pattern write anju/v1/luyuan/%u/event" in broker.access("luyuan")
    assert "pattern read anju/v1/+/%u/command" in broker.access(None)
    assert broker.community_of(broker.access("luyuan")) == "luyuan"
    assert broker.community_of(broker.access(None)) is None
    assert broker.community_of(None) is None


def test_a_run_without_a_community_takes_nothing_away_and_opens_nothing(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    before = contents(stack.directory)
    stack.init(now_ms=NOW_MS, community=None)
    assert contents(stack.directory) == before


# --- certificates -----------------------------------------------------------------------------------------------------


def trusted(authority: str, pair: Pair, name: str, now_ms: int) -> bool:
    """Whether a client that knows this authority would talk to that server, by the rules of the Web."""
    roots = Store([x509.load_pem_x509_certificate(authority.encode())])
    verifier = (
        PolicyBuilder()
        .store(roots)
        .time(datetime.fromtimestamp(now_ms / 1000, UTC))
        .build_server_verifier(x509.DNSName(name))
    )
    try:
        verifier.verify(x509.load_pem_x509_certificate(pair.certificate.encode()), [])
    except x509.verification.VerificationError:
        return False
    return True


def test_a_certificate_is_renewed_when_a_third_of_its_life_is_left(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS, names=["gateway.example.cn", "192.168.1.20"])
    just_before = NOW_MS + int((SERVER_LIFE - RENEW_WITHIN - timedelta(hours=1)).total_seconds() * 1000)
    assert deployment.due(Keeper(stack.directory, None), Kind.CONTAINERS, just_before) is None
    stack.init(now_ms=just_before)
    assert stack.runs[-1].renewed_because is None
    later = just_before + DAY_MS
    assert (deployment.due(Keeper(stack.directory, None), Kind.CONTAINERS, later) or "").startswith("it ends on ")
    keeper = stack.init(now_ms=later)
    assert (stack.runs[-1].renewed_because or "").startswith("it ends on ")
    assert keeper.fates["mosquitto/server.crt"] is keeper.fates["mosquitto/server.key"] is Fate.RENEWED
    assert keeper.fates["ca.crt"] is keeper.fates["ca/ca.key"] is Fate.KEPT
    assert deployment.changed(keeper) == ["mosquitto/server.key", "mosquitto/server.crt"]
    assert {"gateway.example.cn", "192.168.1.20", "mosquitto"} <= set(stack.runs[-1].names), "names stay"
    pair = Pair(stack.read("mosquitto/server.crt"), stack.read("mosquitto/server.key"))
    assert trusted(stack.read("ca.crt"), pair, "gateway.example.cn", later)
    assert not trusted(stack.read("ca.crt"), pair, "other.example.cn", later)


def test_an_authority_lives_on_with_its_key_and_old_devices_go_on_trusting_it() -> None:
    authority = certificates.new_authority(NOW_MS)
    years_later = NOW_MS + 19 * 365 * DAY_MS
    renewed = certificates.again(authority, years_later)
    server = certificates.new_server(renewed, ["gateway.example.cn"], years_later)
    assert renewed.key == authority.key
    assert renewed.ends > authority.ends
    assert trusted(authority.certificate, server, "gateway.example.cn", years_later + DAY_MS), (
        "by a device of the start"
    )
    assert trusted(renewed.certificate, server, "gateway.example.cn", years_later + DAY_MS)
    assert not trusted(authority.certificate, server, "gateway.example.cn", years_later + 400 * DAY_MS)
    stranger = certificates.new_authority(NOW_MS)
    assert not trusted(stranger.certificate, server, "gateway.example.cn", years_later + DAY_MS)
    assert certificates.why_renew(server, stranger, [], years_later) == "another authority has signed it"


def test_an_authority_near_its_end_is_renewed_before_a_server_could_outlive_it(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    keeper = stack.init(now_ms=NOW_MS + 19 * 365 * DAY_MS)
    assert keeper.fates["ca.crt"] is Fate.RENEWED
    assert keeper.fates["ca/ca.key"] is Fate.KEPT
    assert stack.runs[-1].authority_ends > stack.runs[0].authority_ends


def test_a_lost_key_of_the_authority_is_never_replaced_in_silence(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    key = stack.directory / "ca/ca.key"
    before = key.read_text(encoding="utf-8")
    key.unlink()
    with pytest.raises(ValueError, match=r"ca/ca.key is missing, and ca.crt is there"):
        stack.init(now_ms=NOW_MS)
    key.write_text(certificates.new_authority(NOW_MS).key, encoding="utf-8")
    with pytest.raises(ValueError, match=r"ca.crt is not the certificate of ca/ca.key"):
        stack.init(now_ms=NOW_MS)
    key.write_text(before, encoding="utf-8")
    assert set(stack.init(now_ms=NOW_MS).fates.values()) == {Fate.KEPT}


def test_a_lost_certificate_of_the_authority_comes_back_as_devices_know_it(stack: Stack) -> None:
    stack.init(now_ms=NOW_MS)
    before = contents(stack.directory)
    (stack.directory / "ca.crt").unlink()
    stack.init(now_ms=NOW_MS + DAY_MS)
    assert contents(stack.directory) == before, "from a copy"
    for copy in stack.directory.rglob("ca.crt"):
        copy.unlink()
    stack.init(now_ms=NOW_MS + DAY_MS)
    assert stack.read("mosquitto/server.crt") == before["mosquitto/server.crt"].decode().strip()
    pair = Pair(stack.read("mosquitto/server.crt"), stack.read("mosquitto/server.key"))
    assert trusted(stack.read("ca.crt"), pair, "mosquitto", NOW_MS + DAY_MS), "from the key, by the same name"


class Cut(BaseException):
    """Here it was killed."""


@pytest.mark.parametrize("cut_at", [*range(1, 9), 15, 30, 45])
def test_a_run_that_is_cut_off_is_made_good_by_the_next(
    stack: Stack, cut_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is brought to disk, renamed, and its directory brought to disk: cut off before one of these. The first
    eight are the authority and the server, where halves belong together."""
    synced, left = os.fsync, cut_at

    def until_cut(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Cut
        synced(descriptor)

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(os, "fsync", until_cut)
        stack.init(now_ms=NOW_MS)
    kept = contents(stack.directory)
    if "mosquitto/server.crt" not in kept:
        kept.pop("mosquitto/server.key", None)  # nobody knows it yet
    stack.init(now_ms=NOW_MS + DAY_MS)
    after = contents(stack.directory)
    assert {name for name in kept if not name.endswith(".new") and after[name] != kept[name]} == set()
    assert [name for name in after if name.endswith(".new")] == []
    assert [name for name in SECRETS if not stack.read(name)] == []
    pair = Pair(stack.read("mosquitto/server.crt"), stack.read("mosquitto/server.key"))
    assert trusted(stack.read("ca.crt"), pair, "mosquitto", NOW_MS + DAY_MS)
    assert deployment.due(Keeper(stack.directory, None), Kind.CONTAINERS, NOW_MS + DAY_MS) is None


@pytest.mark.parametrize("name", ["", "with space", "https://gateway", "网关", "me@host", "host:8883"])
def test_names_that_no_certificate_can_have_are_refused(name: str) -> None:
    authority = certificates.new_authority(NOW_MS)
    with pytest.raises(ValueError, match="neither an address nor a host name"):
        certificates.new_server(authority, ["localhost", name], NOW_MS)


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: str, names: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(app, ["init", *arguments], env={"ANJU_NAMES": names, "COLUMNS": "200"})
    return result.exit_code, result.output


def test_the_command_says_what_it_made_and_what_comes_next(tmp_path: Path) -> None:
    directory = str(tmp_path / "anju-stack")
    arguments = (directory, "--community", str(COMMUNITY), "--keep-owner")
    code, said = run(*arguments)
    assert code == 0, said
    assert said.count("新建 made") == len(contents(tmp_path))
    assert "4 台设备有密码 devices have a password" in said
    assert "docker compose up -d" in said
    assert "--name 192.168.1.20" in said
    secret = (tmp_path / "anju-stack/grafana/admin-password").read_text(encoding="utf-8").strip()
    assert secret not in said
    code, said = run(*arguments, names="gateway.example.cn 192.168.1.20")
    assert code == 0, said
    assert "gateway.example.cn, 192.168.1.20" in said
    assert "the certificate was renewed: it does not have gateway.example.cn, 192.168.1.20" in said
    assert "docker compose kill -s HUP mosquitto" in said
    code, said = run(*arguments)
    assert "新建" not in said
    assert "更新" not in said
    assert run(directory, "--check")[0] == 0


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    code, said = run(str(tmp_path / "nothing"), "--check")
    assert (code, "holds no certificates yet" in said) == (1, True), said
    assert not (tmp_path / "nothing").exists()
    broken = tmp_path / "community.yaml"
    broken.write_text("community: {}\n", encoding="utf-8")
    code, said = run(str(tmp_path / "stack"), "--community", str(broken), "--keep-owner")
    assert code == 1
    assert "anju config check" in said


def test_only_root_can_give_files_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, said = run(str(tmp_path / "stack"))
    assert code == 1
    assert "docker compose run --rm init" in said
    assert not (tmp_path / "stack").exists()


@pytest.mark.parametrize(
    "name", ["mosquitto/health-password", "mosquitto/server.crt", "gateway/settings.yaml", "mosquitto"]
)
def test_a_link_that_a_service_laid_is_neither_read_nor_given_away(tmp_path: Path, name: str) -> None:
    other = tmp_path / "shadow"
    other.write_text("root:secret")
    other.chmod(0o600)
    root = tmp_path / "stack"
    deployment.make(Keeper(root, None), Kind.CONTAINERS, NOW_MS, community=None)
    laid = root / name
    assert laid.exists()
    laid.rename(tmp_path / "away")
    laid.symlink_to(other)
    with pytest.raises(ValueError, match="symbolic link"):
        deployment.make(Keeper(root, None), Kind.CONTAINERS, NOW_MS, community=None)
    assert other.read_text() == "root:secret"
    assert stat.S_IMODE(other.stat().st_mode) == 0o600
