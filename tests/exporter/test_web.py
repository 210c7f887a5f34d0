"""The exporter behaves like others: HEAD, gzip, TLS and users, --web.config.file, real scrapes."""

import gzip
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests
import yaml

from exporter.client import Bot
from stack.settings.web_config import WebConfig, WebConfigError
from tests.conftest import binary, eventually, free_port
from tests.exporter.harness import ScriptedBot, parsed, serve
from tests.exporter.test_http import STATE, trade
from tests.exporter.test_service import ROOT, configure, http

USER, PASSWORD = "prometheus", "a long pass:word ü"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@dataclass
class Exporter:
    """A running exporter and its callers."""

    url: str
    log: Path
    session: requests.Session

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=10, **options)


@contextmanager
def running(directory: Path, bots: dict[str, object], web: Path | None = None) -> Iterator[Exporter]:
    port = free_port()
    options = ["--data", str(directory / "data"), "--speed", "30"]
    options += [f"--web.config.file={web}"] if web else []
    log, config = directory / "log", configure(directory, bots, port)
    tls = bool(web and "tls_server_config" in web.read_text())
    with log.open("wb") as out, requests.Session() as session:
        process = subprocess.Popen(
            [sys.executable, "-m", "exporter", "--config", str(config), *options],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
        session.trust_env = False  # REQUESTS_CA_BUNDLE would override `verify`
        session.verify = str(directory / "cert.pem") if tls else True
        found = Exporter(f"{'https' if tls else 'http'}://127.0.0.1:{port}", log, session)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                return found.get("/healthz").ok
            except requests.ConnectionError:
                return False

        try:
            eventually(answers, what="the exporter's start")
            yield found
        finally:
            process.terminate()
            assert process.wait(timeout=15) == 0


def certificate(directory: Path, name: str = "nightdesk") -> None:
    """Write a self-signed certificate for loopback."""
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    out = ["-keyout", directory / "key.pem", "-out", directory / "cert.pem"]
    subprocess.run(
        ["openssl", "req", "-x509", "-days", "2", *key, *subject, *out], check=True, capture_output=True
    )


def web_config(directory: Path, **more: Any) -> Path:
    file = directory / "web.yml"
    tls = {"cert_file": "cert.pem", "key_file": "key.pem"}
    file.write_text(yaml.safe_dump({"tls_server_config": tls, "basic_auth_users": {USER: HASH}} | more))
    return file


@contextmanager
def bot() -> Iterator[dict[str, object]]:
    """Serve a bot whose name needs escaping; gives the settings' bots."""
    with serve(ScriptedBot(STATE, [trade(1, 150.0), trade(2, -70.0)])) as url:
        yield {'hard "name" 🚀\\': http(url)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with bot() as bots, running(tmp_path_factory.mktemp("plain"), bots) as found:
        eventually(lambda: "trading_bot_equity" in found.get("/metrics").text, what="the first poll")
        yield found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    directory = tmp_path_factory.mktemp("guarded")
    certificate(directory)
    headers = {"http_server_config": {"headers": {"X-Frame-Options": "deny"}}}
    pushes = {"pushes": {"source": {"type": "push", "token_file": "token"}}}
    with bot() as bots, running(directory, bots | pushes, web_config(directory, **headers)) as found:
        found.session.auth = (USER, PASSWORD.encode())
        eventually(lambda: "trading_bot_equity" in found.get("/metrics").text, what="the first poll")
        yield found


def test_a_scrape_is_compressed_only_when_that_is_asked_for(plain):
    asked = plain.get("/metrics?collect[]=trading", headers={"Accept-Encoding": "gzip"}, stream=True)
    raw = asked.raw.read(decode_content=False)
    assert asked.headers["Content-Encoding"] == "gzip"
    assert parsed(gzip.decompress(raw).decode().replace("bot=", "of="))
    assert len(raw) < len(gzip.decompress(raw)) / 3
    other = plain.get("/metrics?collect[]=trading", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in other.headers
    assert other.headers["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize("path", ["/", "/metrics", "/metrics?collect[]=system", "/health", "/healthz"])
def test_head_says_what_get_would_without_a_body(plain, path):
    asked = plain.session.head(plain.url + path, timeout=10)
    got = plain.get(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["Content-Type"] == got.headers["Content-Type"]
    assert int(asked.headers["Content-Length"]) > 0


def test_health_covers_all_bots_or_the_named_ones(plain):
    [(name, found)] = plain.get("/health").json()["bots"].items()
    assert found["checks"]["bot_running"]["inputs"]["up"] == {"value": 1.0}
    assert found["checks"]["memory_usage"]["status"] == "unknown"
    assert found["checks"]["disk_space"]["inputs"]["ratio"]["below"] == 0.8
    assert plain.get("/health", params={"bot[]": name}).json()["bots"].keys() == {name}
    assert plain.get("/health", params={"bot[]": "nobody"}).status_code == 400


def test_due_summaries_are_among_the_exporters_own_metrics(plain):
    text = plain.get("/metrics?collect[]=exporter").text
    periods = {line.split('"')[1] for line in text.splitlines() if line.startswith("nightdesk_report_due{")}
    assert periods == {"daily", "weekly", "monthly"}


def test_only_users_are_let_in(guarded):
    assert guarded.get("/metrics").ok
    nobody = requests.get(f"{guarded.url}/metrics", verify=guarded.session.verify, timeout=10)
    assert nobody.status_code == 401
    assert nobody.headers["WWW-Authenticate"] == "Basic"
    assert nobody.headers["X-Frame-Options"] == guarded.get("/").headers["X-Frame-Options"] == "deny"
    assert "trading_bot" not in nobody.text
    for auth in ((USER, "wrong"), ("nobody", PASSWORD.encode()), (USER, ""), ("", "")):
        assert guarded.get("/metrics", auth=auth).status_code == 401
    for said in ("Basic", "Basic ü", "Basic !", "Bearer x", "basic eA=="):
        refused = requests.get(
            f"{guarded.url}/",
            headers={"Authorization": said.encode()},
            verify=guarded.session.verify,
            timeout=10,
        )
        assert refused.status_code == 401


def test_a_right_password_stays_right_and_a_wrong_one_wrong(guarded):
    for _ in range(3):
        assert guarded.get("/health").ok
        assert guarded.get("/health", auth=(USER, "wrong")).status_code == 401


def test_pushes_have_tokens_of_their_own_and_supervisors_need_none(guarded):
    def ask(path: str, **options: Any) -> requests.Response:
        method = "POST" if "api" in path else "GET"
        return requests.request(
            method, guarded.url + path, verify=guarded.session.verify, timeout=10, **options
        )

    assert ask("/healthz").ok
    pushed = ask("/api/v1/bots/pushes/state", data="{", headers={"Authorization": "Bearer wrong"})
    assert (pushed.status_code, pushed.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_bot_pushes_to_an_exporter_with_a_private_authority(guarded):
    token = guarded.log.parent / "token"
    with Bot(guarded.url, "pushes", token_file=token, ca_file=guarded.session.verify, interval=0.05) as bot:
        bot.state(state="running")
        eventually(lambda: 'trading_bot_up{bot="pushes"} 1' in guarded.get("/metrics").text, what="the push")
    with Bot(guarded.url, "pushes", token_file=token, interval=0.05) as stranger:
        stranger.state(state="running")
        assert "certificate verify failed" in eventually(lambda: stranger.last_error, what="the refusal")


def test_plain_http_is_not_spoken_where_there_is_tls(guarded):
    with pytest.raises(requests.ConnectionError):
        requests.get(guarded.url.replace("https", "http"), timeout=5)


def test_a_new_certificate_and_new_users_are_taken_up_while_it_runs(tmp_path):
    certificate(tmp_path)
    file = web_config(tmp_path)
    with running(tmp_path, {}, file) as exporter:
        assert exporter.get("/", auth=(USER, PASSWORD.encode())).ok
        certificate(tmp_path, "another")
        with requests.Session() as anew:
            anew.trust_env = False
            anew.verify = str(tmp_path / "cert.pem")
            assert anew.get(f"{exporter.url}/healthz", timeout=10).ok
            file.write_text(file.read_text().replace(USER, "somebody"))
            assert anew.get(exporter.url, auth=(USER, PASSWORD.encode()), timeout=10).status_code == 401
            assert anew.get(exporter.url, auth=("somebody", PASSWORD.encode()), timeout=10).ok
            file.write_text("basic_auth_users: {somebody: not a hash}")
            assert anew.get(exporter.url, auth=("somebody", PASSWORD.encode()), timeout=10).ok
            log = exporter.log.read_text()
            assert "basic_auth_users.somebody" in log
            assert "not a hash" not in log.replace("not a bcrypt hash", "")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("basic_auth_users: {a: b}", "basic_auth_users.a.*bcrypt"),
        ("basic_auth_users: {'a:b': x}", "basic_auth_users"),
        ("tls_server_config: {cert_file: no.pem, key_file: no.pem}", "no.pem"),
        ("tls_server_config: {cert_file: a}", "tls_server_config.key_file"),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}",
            "client_ca_file",
        ),
        ("rate_limit: {burst: 1}", "rate_limit"),
        ("- a", "the file"),
        ("a: [", "is not YAML"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(tmp_path, text, told):
    file = tmp_path / "web.yml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(WebConfigError, match=told) as error:
        WebConfig(file)
    assert str(file) in str(error.value)


def test_an_unusable_file_ends_the_start_with_2(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "exporter", "--web.config.file", str(tmp_path / "none.yml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "none.yml" in ended.stderr


@pytest.fixture(scope="module")
def prometheus(
    plain: Exporter, guarded: Exporter, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """A Prometheus that scrapes both formats, plain and guarded; gives a function that asks it PromQL."""
    directory = tmp_path_factory.mktemp("prometheus")
    (directory / "password").write_bytes(PASSWORD.encode())
    tls = {
        "scheme": "https",
        "tls_config": {"ca_file": guarded.session.verify},
        "basic_auth": {"username": USER, "password_file": str(directory / "password")},
    }
    jobs = [
        {
            "job_name": f"{who} {form}",
            "scrape_protocols": [form],
            "static_configs": [{"targets": [target]}],
            **more,
        }
        for who, target, more in (
            ("plain", plain.url.split("//")[1], {}),
            ("guarded", guarded.url.split("//")[1], tls),
        )
        for form in ("OpenMetricsText1.0.0", "PrometheusText0.0.4")
    ]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    options = [f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
    with (directory / "log").open("wb") as log, ExitStack() as stack:
        process = subprocess.Popen(
            [binary("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)

        def query(expression: str) -> list[dict[str, Any]]:
            try:
                url = f"http://127.0.0.1:{port}/api/v1/query"
                return requests.get(url, params={"query": expression}, timeout=10).json()["data"]["result"]
            except (requests.ConnectionError, ValueError, KeyError):
                assert process.poll() is None, (directory / "log").read_text()
                return []

        yield query


def test_a_real_prometheus_takes_both_formats_plain_and_over_tls_with_a_user(prometheus):
    eventually(lambda: len(prometheus("up == 1")) == 4, what="four targets that are up")
    found = {
        each["metric"]["job"]: int(each["value"][1])
        for each in prometheus('count by (job) ({__name__=~"trading_bot_.*", bot!="pushes", bot!=""})')
    }
    assert len(found) == 4
    assert len(set(found.values())) == 1, found
    assert found["plain OpenMetricsText1.0.0"] > 70
    [bot] = {each["metric"]["bot"] for each in prometheus("trading_bot_equity")}
    assert bot == 'hard "name" 🚀\\'
    assert len(prometheus("trading_bot_trades_total")) == 8
    assert {each["metric"]["le"] for each in prometheus("trading_bot_response_time_seconds_bucket")} >= {
        "1.0"
    }
    assert not prometheus("scrape_samples_scraped == 0")
