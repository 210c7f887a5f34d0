"""`nightdesk compose` writes secrets, addresses and restarts for the user's bots, and nothing more."""

import json
import shutil
from pathlib import Path
from typing import Any

import _jsonnet
import docker
import pytest
import yaml

from stack.containers.command import COPIES, OVERRIDE, inside_of, proxy, write
from stack.containers.network import Container, place
from stack.containers.translate import Inside
from stack.oncall import NotDone
from stack.render import as_data
from stack.settings import DockerRestart, SettingsError, load
from tests.compose.conftest import ROOT, Compose
from tests.compose.test_file import MORE

FREQTRADE = {
    "source": {"type": "freqtrade", "url": "http://127.0.0.1:8080", "username": "me"}
    | {"password_file": "secrets/freqtrade_password"},
    "restart": {"type": "docker", "container": "freqtrade"},
}
OWN = {
    "source": {"type": "http", "url": "http://localhost:9000", "token_file": "own/token"},
    "starting_capital": 1000,
    "restart": {"type": "docker", "container": "my.bot"},
}
SETTINGS: dict[str, Any] = {"demo": {"enabled": False}, "bots": {"freqtrade": FREQTRADE, "own": OWN}}
KNOWN = {"freqtrade": Container(("freqtrade_default",), {8080: 8080})}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("docker-compose.yml", "deploy/compose.yaml", "deploy/docker-proxy.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    for name in ("secrets/freqtrade_password", "own/token", "secrets/smtp", "secrets/slack", "secrets/store"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("canary")
        file.chmod(0o644)
    return tmp_path


def inside(checkout: Path, settings: dict[str, Any], known: dict[str, Container] | None = None) -> Inside:
    (checkout / "monitoring.yaml").write_text(yaml.safe_dump(settings))
    read = load([checkout / "monitoring.yaml", checkout / "deploy/compose.yaml"])
    return inside_of(read, known or {}, checkout)


def written(checkout: Path, settings: dict[str, Any], ha: bool = False) -> tuple[dict[str, Any], list[str]]:
    (checkout / "monitoring.yaml").write_text(yaml.safe_dump(settings))
    told = write(checkout / "monitoring.yaml", checkout, checkout / ".data", ha)
    return yaml.safe_load((checkout / OVERRIDE).read_text()), told


def test_the_secret_of_a_bot_is_mounted_where_the_settings_inside_look_for_it(checkout: Path):
    override, _ = written(checkout, SETTINGS)
    assert override["secrets"]["freqtrade_password"] == {"file": f"{checkout}/secrets/freqtrade_password"}
    for name in ("exporter", "webhook_actions"):
        assert override["services"][name]["secrets"] == ["freqtrade_password", "token"]
    assert "secrets" not in override["services"]["prometheus"]
    read = load([checkout / "monitoring.yaml", checkout / ".data/compose/settings.yaml"])
    assert read.bots["freqtrade"].source.password_file == Path("/run/secrets/freqtrade_password")  # type: ignore[union-attr]
    assert read.bots["own"].control.token_file == Path("/run/secrets/token")  # type: ignore[union-attr]


def test_a_bot_on_this_machine_is_asked_at_its_gateway_since_127_0_0_1_is_the_container(checkout: Path):
    found = inside(checkout, SETTINGS)
    assert found.settings["bots"]["own"]["source"]["url"] == "http://host.docker.internal:9000/"
    assert "bots.own.source.url" in "\n".join(found.warnings)


def test_a_bot_in_a_compose_project_of_its_own_is_asked_in_its_network(checkout: Path):
    found = inside(checkout, SETTINGS, KNOWN)
    assert found.settings["bots"]["freqtrade"]["source"]["url"] == "http://freqtrade:8080/"
    assert found.networks == {"freqtrade_default"}
    assert "bots.freqtrade" not in "\n".join(found.warnings)


@pytest.mark.parametrize(
    ("url", "leads_to"),
    [
        ("http://127.0.0.1:9090/x", "http://bot:8080/x"),  # published as 9090
        ("http://[::1]:9090", "http://bot:8080"),
        ("http://localhost:9000", "http://host.docker.internal:9000"),  # another program's
        ("https://localhost", "https://host.docker.internal:443"),
        ("http://desk.example.org:9090", "http://desk.example.org:9090"),
    ],
)
def test_addresses_lead_from_a_container_to_what_they_lead_to_here(url: str, leads_to: str):
    assert place(url, "bot", Container(("net",), {9090: 8080})).url == leads_to


def test_a_restart_goes_to_the_proxy_since_no_container_of_ours_has_the_socket(checkout: Path):
    override, _ = written(checkout, SETTINGS)
    read = load([checkout / "monitoring.yaml", checkout / ".data/compose/settings.yaml"])
    for bot in read.bots.values():
        assert isinstance(bot.restart, DockerRestart)
        assert bot.restart.url == "tcp://docker-proxy:2375"
    assert "docker.sock" not in str(override)


def test_the_proxy_allows_the_restart_of_exactly_the_named_containers(checkout: Path):
    tracked = (checkout / "deploy/docker-proxy.cfg").read_text()
    override, _ = written(checkout, SETTINGS)
    lines = (checkout / ".data/compose/docker-proxy.cfg").read_text().splitlines()
    allowed = [line.split("/containers/")[1] for line in lines if "acl restart" in line]
    assert allowed == ["freqtrade/restart$", r"my\.bot/restart$"]
    assert override["services"]["docker-proxy"]["volumes"][0]["target"] in (
        (checkout / "docker-compose.yml").read_text()
    )
    with_demo = inside(checkout, SETTINGS | {"demo": {"enabled": True}})
    assert with_demo.restarted == {"nightdesk_demo_bot", "freqtrade", "my.bot"}
    nobody = proxy(inside(checkout, {"demo": {"enabled": False}}), tracked)
    # HAProxy refuses a rule about an unknown backend.
    assert not [line for line in nobody.splitlines() if "restart" in line and not line.startswith("#")]


def test_what_bots_files_and_logs_are_in_is_mounted(checkout: Path):
    bot = {"source": {"type": "file", "state": "bot/state.json"}, "starting_capital": 1}
    bot |= {"logs": [str(checkout / "bot/bot.log"), "/var/log/other.log"]}
    override, _ = written(checkout, {"bots": {"own": bot}})
    read = load([checkout / "monitoring.yaml", checkout / ".data/compose/settings.yaml"]).bots["own"]
    assert (str(read.source.state), *map(str, read.logs)) == (  # type: ignore[union-attr]
        "/bots/1/state.json", "/bots/1/bot.log", "/bots/2/other.log",
    )  # fmt: skip
    mounts = [each for each in override["services"]["rotate"]["volumes"] if each["target"][:6] == "/bots/"]
    assert [(each["source"], each["read_only"]) for each in mounts] == [
        (str(checkout / "bot"), False),
        ("/var/log", False),
    ]


def test_a_directory_of_bots_has_the_same_path_inside(checkout: Path):
    (checkout / "bots").mkdir()
    (checkout / "bots/own.yaml").write_text(yaml.safe_dump({"own": OWN}))
    written(checkout, {"bots_directory": "bots"})
    shutil.rmtree(checkout / "bots")
    read = load([checkout / "monitoring.yaml", checkout / ".data/compose/settings.yaml"])
    assert (read.bots["own"].starting_capital, read.bots_directory) == (1000, None)


def test_every_part_is_given_the_secrets_that_its_configuration_names_and_no_others(checkout: Path):
    channels: dict[str, Any] = {
        "email": {"enabled": True, "host": "smtp.example.org", "from": "a@b.org", "to": ["c@d.org"]}
        | {"username": "me", "password_file": "secrets/smtp"},
        "slack": {"enabled": True, "url_file": "secrets/slack"},
    }
    endpoint = {"name": "x", "url": "https://a.b", "events": ["system_alerts"], "secret_file": "own/token"}
    channels["webhooks"] = {"endpoints": [endpoint]}
    stores = [{"name": "s", "url": "https://a.b", "username": "u", "password_file": "secrets/store"}]
    found = inside(checkout, SETTINGS | {"channels": channels, "storage": {"remote_write": stores}})
    (checkout / "overlay.yaml").write_text(yaml.safe_dump(found.settings))
    files = [checkout / name for name in ("monitoring.yaml", "deploy/compose.yaml", "overlay.yaml")]
    data = json.dumps(as_data(load(files)))
    for service in ("prometheus", "alertmanager"):
        source = f"(import '{ROOT}/{service}/{service}.jsonnet')['{service}.yml']"
        text = _jsonnet.evaluate_snippet("", source, ext_codes={"settings": data})
        for name in found.secrets:
            assert (f"/run/secrets/{name}" in text) == (service in found.readers[name]), (service, name)
    assert {name for name, who in found.readers.items() if "exporter" in who} == {
        "freqtrade_password",
        "token",
    }
    assert "canary" not in str(found)


def test_two_secrets_of_one_name_stay_separate(checkout: Path):
    (checkout / "own/read_token").write_text("x")  # a name that docker-compose.yml has
    source = OWN["source"] | {"token_file": "own/read_token"}
    found = inside(checkout, {"bots": {"own": OWN | {"source": source}}})
    assert found.secrets == {"read_token_2": checkout / "own/read_token"}


@pytest.mark.parametrize(
    ("bot", "says"),
    [
        (OWN | {"restart": {"type": "command", "program": "p"}}, "a container starts no program"),
        (OWN | {"restart": {"type": "docker", "container": "a/../b"}}, "is no valid name of a container"),
        (
            OWN | {"restart": {"type": "docker", "container": "b", "url": "unix:///x.sock"}},
            "cannot reach the socket",
        ),
    ],
)
def test_what_cannot_work_in_a_container_is_refused_with_the_way_out(
    checkout: Path, bot: dict[str, Any], says: str
):
    programs = {"actions": {"programs": {"p": ["/bin/true"]}}}
    with pytest.raises(SettingsError, match=says):
        written(checkout, {"bots": {"own": bot}, **programs})
    assert not (checkout / OVERRIDE).exists()


def test_a_secret_that_the_containers_could_not_read_is_refused(checkout: Path):
    (checkout / "own/token").chmod(0o600)
    with pytest.raises(SettingsError, match="chmod 644"):
        written(checkout, SETTINGS)


def test_a_certificate_elsewhere_is_mounted(checkout: Path):
    files = {f"{name}_file": f"own/{name}.pem" for name in ("cert", "key", "ca")}
    for name in files.values():
        (checkout / name).write_text("x")
        (checkout / name).chmod(0o644)
    override, _ = written(checkout, {"web": {"tls": {"enabled": True, **files}}})
    mounts = {each["target"]: each["source"] for each in override["services"]["grafana"]["volumes"]}
    assert mounts == {"/run/tls": str(checkout / "own")}
    read = load([checkout / "monitoring.yaml", checkout / ".data/compose/settings.yaml"])
    assert read.web.tls.key_file == Path("/run/tls/key.pem")


def test_a_change_of_the_settings_makes_compose_recreate_the_containers(checkout: Path):
    before, after = (
        written(checkout, SETTINGS | {"currency": currency})[0]["services"]["prometheus"]["labels"]
        for currency in ("EUR", "USD")
    )
    assert before != after


def test_every_secret_that_compose_mounts_is_there_without_the_demo_bot_too(checkout: Path):
    override, _ = written(checkout, SETTINGS)
    named = yaml.safe_load((checkout / "docker-compose.yml").read_text())["secrets"] | override["secrets"]
    assert [name for name, one in named.items() if not (checkout / one["file"]).is_file()] == []
    assert (checkout / "secrets/tls").is_dir()


def test_an_override_of_ones_own_is_not_overwritten(checkout: Path):
    (checkout / OVERRIDE).write_text("services: {}\n")
    with pytest.raises(NotDone, match="move its content"):
        written(checkout, SETTINGS)


def test_no_tracked_file_is_touched(checkout: Path):
    before = {file: file.read_bytes() for file in checkout.rglob("deploy/*")}
    written(checkout, SETTINGS)
    assert {file: file.read_bytes() for file in checkout.rglob("deploy/*")} == before
    assert str(OVERRIDE) in (ROOT / ".gitignore").read_text().splitlines()


def test_several_of_a_part_have_what_the_first_has(checkout: Path):
    services = written(checkout, SETTINGS, ha=True)[0]["services"]
    assert {name for names in COPIES.values() for name in names} == set(MORE)
    for name in MORE:
        assert services[name] == services[name.rpartition("_")[0]]


def test_compose_reads_it_and_lays_it_over_the_stack(compose: Compose, checkout: Path):
    override, _ = written(checkout, SETTINGS)
    (checkout / OVERRIDE).write_text(yaml.safe_dump(override | {"networks": {"f": {"external": True}}}))
    read = Compose(compose.root, str(checkout / OVERRIDE)).config()["services"]
    mounts = {each["target"]: each["source"] for each in read["exporter"]["volumes"]}
    assert mounts["/etc/nightdesk/compose.yaml"] == str(checkout / ".data/compose/settings.yaml")
    given = {one["source"] for one in read["exporter"]["secrets"]}
    assert given >= {"read_token", "freqtrade_password", "token"}
    assert "demo_bot" not in read
    assert read["webhook_actions"]["healthcheck"]["test"][-1] == "9099/healthz"


def test_without_an_engine_it_writes_what_it_can(checkout: Path, monkeypatch: pytest.MonkeyPatch):
    def absent(*_: object, **__: object) -> None:
        raise docker.errors.DockerException("no engine")

    monkeypatch.setattr("docker.APIClient", absent)
    _, told = written(checkout, SETTINGS)
    assert "bots.freqtrade.source.url: becomes http://host.docker.internal:8080/" in "\n".join(told)
