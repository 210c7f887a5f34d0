"""Typical faults: a test plants each into a running stack and removes it again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import requests
import yaml

from tests.conftest import eventually
from tests.drill.desk import Desk

Plant = Callable[[Desk], AbstractContextManager[None]]
Change = Callable[[Any], None]


@contextmanager
def edited(desk: Desk, part: str, name: str, change: Change) -> Iterator[None]:
    """Change a file of Prometheus or Alertmanager, as a person might by hand."""
    file = desk.build / part / name
    before = file.read_text()
    made = yaml.safe_load(before)
    change(made)
    with _written(desk, part, file, yaml.safe_dump(made, sort_keys=False)):
        yield


@contextmanager
def _written(desk: Desk, part: str, file: Path, text: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(text)
    _reload(desk, part)
    try:
        yield
    finally:
        file.write_text(before)
        _reload(desk, part)


def _reload(desk: Desk, part: str) -> None:
    def reloaded() -> tuple[float, float]:
        page = requests.get(f"{getattr(desk.settings.services, part).url}/metrics", timeout=5).text
        said = dict(
            line.split() for line in page.splitlines() if line.startswith(f"{part}_config_last_reload")
        )
        name = f"{part}_config_last_reload_success"
        return float(said[f"{name}_timestamp_seconds"]), float(said[f"{name}ful"])

    before, _ = reloaded()
    desk.reload(part)
    eventually(lambda: reloaded()[0] > before and reloaded()[1] == 1, what=f"the reload of {part}")


@contextmanager
def secret(desk: Desk, name: str, text: str) -> Iterator[None]:
    file = desk.directory / name
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def revoked(desk: Desk, service: str) -> Iterator[None]:
    desk.outside.revoked.add(service)
    try:
        yield
    finally:
        desk.outside.revoked.remove(service)


@contextmanager
def stopped(desk: Desk, part: str) -> Iterator[None]:
    desk.stop(part)
    try:
        yield
    finally:
        desk.run(part)
        desk.wait(part)


@contextmanager
def frozen_database(desk: Desk) -> Iterator[None]:
    pid = int(next((desk.directory / "data").glob("**/postmaster.pid")).read_text().split()[0])
    server = psutil.Process(pid)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()
        desk.wait("webhook_actions")


@contextmanager
def silenced(desk: Desk) -> Iterator[None]:
    """Someone silenced an alert weeks ago and forgot it."""
    url, now = f"{desk.settings.services.alertmanager.url}/api/v2", datetime.now(UTC)
    silence = {
        "matchers": [{"name": "alertname", "value": "TradingBotDown", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(days=30)).isoformat(),
        "createdBy": "ben",
        "comment": "only for now",
    }
    made = requests.post(f"{url}/silences", json=silence, timeout=5).json()["silenceID"]
    try:
        yield
    finally:
        requests.delete(f"{url}/silence/{made}", timeout=5).raise_for_status()


@contextmanager
def nothing(_: Desk) -> Iterator[None]:
    yield


def _receiver(config: Any, name: str, kind: str) -> Any:
    return next(one for one in config["receivers"] if one["name"] == name)[f"{kind}_configs"][0]


def _critical(config: Any) -> Any:
    return next(one for one in config["route"]["routes"] if one.get("matchers") == ['severity="critical"'])


def _no_mail_for_critical(config: Any) -> None:
    route = _critical(config)
    route["routes"] = [one for one in route["routes"] if one["receiver"] != "email"]


def _mute(config: Any) -> None:
    always = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
    config["time_intervals"] = [
        *config.get("time_intervals", []),
        {"name": "holidays", "time_intervals": always},
    ]
    for one in _critical(config)["routes"]:
        if one["receiver"] == "email":
            one["mute_time_intervals"] = ["holidays"]


def _inhibit(config: Any) -> None:
    rule = {
        "source_matchers": ['alertname="TradingBotWatchdog"'],
        "target_matchers": ['alertname="TradingBotDown"'],
        "equal": [],
    }
    config["inhibit_rules"].append(rule)


def _without_down(rules: Any) -> None:
    group = rules["groups"][0]
    group["rules"] = [one for one in group["rules"] if one["alert"] != "TradingBotDown"]


def _broken_text(rules: Any) -> None:
    [rule] = [one for one in rules["groups"][0]["rules"] if one["alert"] == "TradingBotDown"]
    rule["annotations"]["summary"] = 'DRILL: {{ with query "sum(" }}{{ . }}{{ end }}'


def _without_job(config: Any, name: str) -> None:
    config["scrape_configs"] = [one for one in config["scrape_configs"] if one["job_name"] != name]


def _wrong_target(config: Any) -> None:
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = ["127.0.0.1:9"]


@contextmanager
def broken_template(desk: Desk) -> Iterator[None]:
    file = desk.build / "alertmanager/templates/message.tmpl"
    text = file.read_text().replace(
        '{{ define "nightdesk.subject" -}}', '{{ define "nightdesk.subject" -}}{{ .Nobody }}'
    )
    with _written(desk, "alertmanager", file, text):
        yield


def _email(**changes: Any) -> Change:
    return lambda config: _receiver(config, "email", "email").update(changes)


def alertmanager(change: Change) -> Plant:
    return partial(edited, part="alertmanager", name="alertmanager.yml", change=change)


def prometheus(name: str, change: Change) -> Plant:
    return partial(edited, part="prometheus", name=name, change=change)


NTFY = "ntfy://127.0.0.1:{port}/another-topic"


@contextmanager
def wrong_topic(desk: Desk) -> Iterator[None]:
    with secret(desk, "ntfy", NTFY.format(port=desk.outside.port)):
        yield


# The fault, how the test plants it, and the drill's expected text.
FAULTS: dict[str, tuple[Plant, str]] = {
    "dead Telegram token": (partial(revoked, service="telegram"), "channel: telegram"),
    "wrong route": (alertmanager(_no_mail_for_critical), "route: Alertmanager gives it to"),
    "forgotten silence": (silenced, "silence: "),
    "expired SMTP password": (partial(secret, name="smtp", text="old"), "channel: email"),
    "wrong chat": (
        alertmanager(lambda config: _receiver(config, "telegram", "telegram").update(chat_id=7)),
        "channel: telegram",
    ),
    "rule removed": (
        prometheus("rules/trading-bot-critical.yml", _without_down),
        "rule: TradingBotDown of trading-bot-critical is not in force",
    ),
    "receiver token changed": (partial(secret, name="secrets/receive_token", text="new"), "engine: "),
    "Alertmanager down": (partial(stopped, part="alertmanager"), "alertmanager at http://"),
    "engine down": (partial(stopped, part="webhook_actions"), "webhook_actions at http://"),
    "database down": (frozen_database, "webhook_actions at http://"),
    "no acknowledgement": (nothing, "answer: nobody acknowledged it"),
    "inhibition that hides": (alertmanager(_inhibit), "inhibition: "),
    "mute time that hides": (alertmanager(_mute), "mute: the time intervals holidays"),
    "template that fails": (broken_template, "channel: email"),
    "wrong port": (alertmanager(_email(smarthost="127.0.0.1:9")), "channel: email"),
    "wrong 'from' refused": (alertmanager(_email(**{"from": "ceo@example.org"})), "channel: email"),
    "Twilio 401": (partial(revoked, service="twilio"), "channel: administrator over sms"),
    "Slack webhook revoked": (partial(revoked, service="slack"), "channel: slack"),
    "ntfy topic wrong": (wrong_topic, "channel: administrator over apprise"),
    "exporter's scrape missing": (
        prometheus("prometheus.yml", partial(_without_job, name="exporter-trading")),
        "scrape: Prometheus has no job exporter-trading",
    ),
    "exporter down": (partial(stopped, part="exporter"), "the exporter at http://"),
    "drill not scraped": (
        prometheus("prometheus.yml", partial(_without_job, name="drill")),
        "metric: Prometheus does not see",
    ),
    "Prometheus does not reach Alertmanager": (
        prometheus("prometheus.yml", _wrong_target),
        "Alertmanager: it does not have the alert",
    ),
    "text that cannot be written": (
        prometheus("drill/drill-trading-bot-critical.yml", _broken_text),
        "rule: its text cannot be rendered",
    ),
}
IN_CI = ("forgotten silence", "rule removed", "Twilio 401")  # as many as the time allows
