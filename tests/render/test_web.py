"""One block of settings decides the TLS and login of every call, and no rendered file has a password."""

import re
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from stack.render import render
from stack.settings import Settings, SettingsError, load, missing_secrets

SEVERAL = ["desk-1", "desk-2"]
PASSWORD = "the password of nightdesk"


def desk(directory: Path, **web: Any) -> Settings:
    (directory / "secrets").mkdir(exist_ok=True)
    (directory / "secrets/web_password").write_text(f"{PASSWORD}\n")
    replicas = {
        name: {"replicas": [{"host": host, "port": port} for host in SEVERAL]}
        for name, port in (("alertmanager", 9093), ("webhook_actions", 9099), ("prometheus", 9090))
    }
    probes = [{"name": "binance", "url": "https://api.binance.com/"}]
    settings = {"demo": {"enabled": True}, "services": replicas, "collection": {"probes": probes}, "web": web}
    (directory / "monitoring.yaml").write_text(yaml.safe_dump(settings))
    return load([directory / "monitoring.yaml"])


@pytest.fixture
def both(tmp_path: Path) -> Settings:
    return desk(tmp_path, tls={"enabled": True}, auth={"enabled": True})


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def test_every_part_is_asked_by_tls_and_as_the_user_or_with_its_token(both: Settings, tmp_path: Path) -> None:
    render(both, tmp_path / "build")
    config = read(tmp_path / "build/prometheus/prometheus.yml")
    asked = config["scrape_configs"] + config["alerting"]["alertmanagers"]
    assert {each["scheme"] for each in asked} == {"https"}
    assert {each["tls_config"]["ca_file"] for each in asked} == {str(tmp_path / "secrets/tls/ca.pem")}
    user = {"username": "nightdesk", "password_file": str(tmp_path / "secrets/web_password")}
    for each in asked:
        known = each.get("job_name") == "webhook_actions"
        assert each.get("basic_auth") == (None if known else user)
        assert ("authorization" in each) == known
    receivers = read(tmp_path / "build/alertmanager/alertmanager.yml")["receivers"]
    hooks = next(each for each in receivers if each["name"] == "webhook_actions")["webhook_configs"]
    assert [hook["url"] for hook in hooks] == [f"https://{host}:9099/api/v1/alerts" for host in SEVERAL]
    assert all(hook["http_config"]["tls_config"]["ca_file"].endswith("ca.pem") for hook in hooks)
    source = read(tmp_path / "build/grafana/provisioning/datasources/nightdesk.yaml")["datasources"][0]
    assert source["url"] == "https://desk-1:9090"
    assert source["basicAuthUser"] == "nightdesk"
    assert source["secureJsonData"]["basicAuthPassword"] == f"$__file{{{user['password_file']}}}"
    assert "protocol = https" in (tmp_path / "build/grafana/grafana.ini").read_text()


def test_the_user_is_rendered_as_a_hash_that_stays_until_the_password_changes(
    both: Settings, tmp_path: Path
) -> None:
    web = tmp_path / "build/web.yml"
    render(both, tmp_path / "build")
    first = read(web)["basic_auth_users"]["nightdesk"]
    assert bcrypt.checkpw(PASSWORD.encode(), first.encode())
    render(both, tmp_path / "build")
    assert read(web)["basic_auth_users"]["nightdesk"] == first
    (tmp_path / "secrets/web_password").write_text("another")
    render(both, tmp_path / "build")
    assert bcrypt.checkpw(b"another", read(web)["basic_auth_users"]["nightdesk"].encode())
    every = "".join(file.read_text() for file in (tmp_path / "build").rglob("*") if file.is_file())
    assert not re.search(f"{PASSWORD}|\\banother\\b: ", every)


def test_alertmanagers_let_in_only_who_has_a_certificate(both: Settings, tmp_path: Path) -> None:
    build = tmp_path / "build"
    render(both, build)
    assert (
        f"--cluster.tls-config={build}/alertmanager/cluster.yml" in (build / "alertmanager/flags").read_text()
    )
    assert (
        read(build / "alertmanager/cluster.yml")["tls_server_config"]["client_auth_type"]
        == "RequireAndVerifyClientCert"
    )


def test_without_it_nothing_is_asked_for(tmp_path: Path) -> None:
    settings = desk(tmp_path)
    render(settings, tmp_path / "build")
    assert read(tmp_path / "build/web.yml") == {}
    text = (tmp_path / "build/prometheus/prometheus.yml").read_text()
    assert "https" not in text.replace("https://api.binance.com", "")
    assert "basic_auth" not in text
    assert not (tmp_path / "build/alertmanager/cluster.yml").exists()
    assert settings.services.prometheus.urls == ("http://desk-1:9090", "http://desk-2:9090")


def test_a_missing_certificate_is_named_with_the_way_out(both: Settings, tmp_path: Path) -> None:
    said = missing_secrets(both)
    for name in ("cert", "key", "ca"):
        assert any(
            line.startswith(f"web.tls.{name}_file: {tmp_path}/secrets/tls/{name}.pem does not exist")
            and "docs/tls.md" in line
            for line in said
        )


def test_an_invalid_certificate_is_named(both: Settings, tmp_path: Path) -> None:
    (tmp_path / "secrets/tls").mkdir()
    for name in ("cert", "key", "ca"):
        (tmp_path / f"secrets/tls/{name}.pem").write_text("not a certificate")
    said = "\n".join(missing_secrets(both))
    assert (
        f"web.tls: {tmp_path}/secrets/tls/cert.pem with {tmp_path}/secrets/tls/key.pem cannot be used" in said
    )
    assert f"web.tls.ca_file: {tmp_path}/secrets/tls/ca.pem cannot be used" in said


def test_a_password_that_is_not_there_is_named(both: Settings, tmp_path: Path) -> None:
    (tmp_path / "secrets/web_password").unlink()
    with pytest.raises(SettingsError, match=r"web\.auth\.password_file: .* `make setup` writes it"):
        render(both, tmp_path / "build")
