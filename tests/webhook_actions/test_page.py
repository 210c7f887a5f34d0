"""The on-call page for a person without JavaScript."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import requests
import yaml

from stack.render import render
from stack.settings import load
from tests.conftest import eventually
from tests.webhook_actions.harness import Harness
from tests.webhook_actions.visitor import PAGES, Visitor, words


def test_the_runbook_of_every_alert_is_where_its_message_links_to(still: Harness, tmp_path: Path) -> None:
    settings = load([still.config])
    render(settings, tmp_path / "build")
    files = (tmp_path / "build/prometheus/rules").glob("*.yml")
    rules = [
        rule
        for file in files
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]
    links = {rule["annotations"]["runbook_url"]: rule["alert"] for rule in rules if "alert" in rule}
    assert {alert.removeprefix("TradingBot") for alert in links.values()} <= set(settings.alerts)
    assert len(links) > 40
    for link, alert in links.items():
        answer = requests.get(link, timeout=20)
        assert (answer.status_code, f"<h1>{alert}</h1>" in answer.text) == (200, True), link
        assert "<strong>What you do.</strong>" in answer.text


def test_the_manuals_links_between_its_pages_hold_and_nothing_else_is_served(still: Harness) -> None:
    for name in ("runbooks/TradingBotReplicaDown.md", "ha.md", "tls.md"):
        page = requests.get(still.url(f"/docs/{name}"), timeout=20)
        for link in re.findall(r'href="([^":#]+)["#]', page.text.partition("<main")[2]):
            assert requests.get(urljoin(page.url, link), timeout=20).ok, (name, link)
    for name in ("..%2fmonitoring.yaml", "../secrets/act_token", "%2e%2e/pyproject.toml", "img"):
        assert requests.get(still.url(f"/docs/{name}"), timeout=20).status_code == 404, name


def test_the_manual_has_a_list_of_its_pages_and_each_leads_back(still: Harness) -> None:
    listed = requests.get(still.url("/docs/"), timeout=10).text
    names = re.findall(r'href="(/docs/[^"]+)"', listed)
    assert len(names) > 50
    assert "/docs/runbooks/TradingBotDown.md" in names
    assert requests.get(still.url("/docs"), timeout=10).text == listed
    assert 'href="/docs/"' in requests.get(still.url(names[0]), timeout=10).text


def test_a_browser_gets_a_page_where_there_is_none_and_a_program_gets_json(still: Harness) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml"}
    for path in ("/nowhere", "/docs/nothing.md", "/static/none.js"):
        answer = requests.get(still.url(path), headers=browser, timeout=10)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8"), path
        assert "This page does not exist" in answer.text
    for path, headers in (("/nowhere", {}), ("/api/v1/nowhere", browser)):
        answer = requests.get(still.url(path), headers=headers, timeout=10)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_with_nothing_open_the_page_says_so_and_what_it_cannot_know(anna: Visitor) -> None:
    said = anna.reads("/")
    assert "Nothing is open" in said
    assert "It watches alpha, beta." in said
    assert "shows only what Prometheus and Alertmanager report" in said


def test_an_open_incident_shows_what_its_bot_holds_with_stop_and_liquidation(anna: Visitor) -> None:
    harness = anna.world
    held = {"side": "short", "size": 0.5, "price": 100.0, "profit": -12.5, "liquidation_price": 103.0}
    harness.bots.by_name["alpha"].positions = [
        {"symbol": "BTC/USDT", "stop_price": 102.0} | held,
        {"symbol": "ETH/USDT", "stop_price": 99.0} | held,
    ]
    harness.deliver(harness.alert("alpha"))
    said = anna.reads("/incidents/1")
    assert "Positions of alpha" in said
    assert "BTC/USDT short 0.5 -12.50 102 (2.0%) 103 (3.0%)" in said
    assert "ETH/USDT short 0.5 -12.50 99, beyond it 103 (3.0%)" in said


def test_an_incident_is_shown_with_its_words_and_acknowledged_with_a_comment(anna: Visitor) -> None:
    harness = anna.world
    annotations = {"summary": "alpha <b>is</b> down", "runbook_url": "javascript:alert(1)"}
    harness.deliver(harness.alert("alpha", annotations=annotations))
    page = anna.get("/").text
    assert "alpha &lt;b&gt;is&lt;/b&gt; down" in page
    assert "javascript:" not in page
    assert "Has it nobody yet" in words(page)
    answer = anna.send("/incidents/1/acknowledge", comment="I look at <it>", back="/incidents/1")
    assert "wakes nobody else" in answer.text
    assert answer.url.endswith("/incidents/1?said=acknowledged")
    assert "acknowledged: by anna (act token): I look at <it>" in anna.reads("/")
    assert [act["act"] for act in harness.get("/api/v1/audit").json()] == ["acknowledge", "login"]
    act = harness.get("/api/v1/audit").json()[0]
    assert (act["who"], act["address"], act["detail"]) == ("anna (act token)", "127.0.0.1", "I look at <it>")
    assert "I look at <it>" in anna.reads("/audit")


def test_a_comment_alone_acknowledges_nothing(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))
    anna.send("/incidents/1/acknowledge", comment="still the exchange", only="comment")
    assert anna.world.kinds("alpha").count("comment") == 1
    assert "Has it nobody yet" in anna.reads("/")


def test_a_snooze_says_until_when_and_a_length_out_of_bounds_is_refused(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))
    refused = anna.send("/incidents/1/snooze", **{"for": "400d"})
    assert refused.status_code == 422
    assert "1m–7d" in refused.text
    anna.send("/incidents/1/snooze", **{"for": "1h"})
    assert "snoozed: by anna (act token) until" in anna.reads("/")


def test_a_snooze_whose_silence_fails_holds_all_the_same_and_says_so(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))  # and no Alertmanager runs
    answer = anna.send("/incidents/1/snooze", **{"for": "1h", "silence": "on"})
    assert "Alertmanager created no silence" in answer.text
    assert "snoozed" in anna.world.kinds("alpha")


def test_the_kill_switch_stops_actions_shows_on_every_page_and_is_lifted(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))
    anna.send("/pause", reason="maintenance")
    for path in ("/", "/history", "/audit", "/incidents/1"):
        assert "All actions are paused by anna (act token)" in anna.reads(path)
        assert "maintenance" in anna.reads(path)
    refused = anna.send("/incidents/1/run", action="restart_bot")
    assert refused.status_code == 409
    assert "resume them first" in refused.text
    assert anna.send("/pause").status_code == 409
    assert "Actions run again" in anna.send("/resume").text
    assert "All actions are paused" not in anna.reads("/")


def test_an_action_is_run_now_and_one_that_touches_money_asks_for_the_bots_name(harness: Harness) -> None:
    anna = Visitor(harness)
    anna.log_in()
    harness.bots.by_name["alpha"].comes_back = False
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: harness.incident("alpha")["handed_over_at"], within=60, what="giving up")
    before = len(harness.bots.by_name["alpha"].restarts)
    [key] = re.findall(r'name="key" value="([^"]+)"', anna.get("/").text)
    assert "Requested" in anna.send("/incidents/1/run", action="restart_bot", key=key).text
    eventually(lambda: len(harness.bots.by_name["alpha"].restarts) == before + 1, what="the restart")
    eventually(lambda: harness.incident("alpha")["runs"][-1]["verdict"], within=60, what="its verdict")
    anna.send("/incidents/1/run", action="restart_bot", key=key)  # the same form, clicked again
    assert [run["asked_by"] for run in harness.incident("alpha")["runs"]].count("anna (act token)") == 1
    for typed in ("", "beta", "ALPHA"):
        asked = anna.send("/incidents/1/run", action="close_positions", confirm=typed)
        assert asked.status_code == 422
        assert "This moves money" in asked.text
        assert not typed or "is not the bot's name. Nothing was done." in words(asked.text)
    assert [act["detail"] for act in harness.get("/api/v1/audit").json()].count("close_positions") == 0
    anna.send("/incidents/1/run", action="close_positions", confirm="alpha")
    eventually(lambda: harness.get("/api/v1/bots").json()[0]["halted"], what="the halt of alpha")
    assert "alpha is halted" in anna.reads("/")
    eventually(
        lambda: harness.get("/api/v1/bots").json()[0]["entries_stopped"], what="the stop of its entries"
    )
    assert "Released" in anna.send("/release", bot="alpha").text
    assert "alpha is halted" not in anna.reads("/")
    eventually(lambda: not harness.get("/api/v1/bots").json()[0]["entries_stopped"], what="that it is undone")
    assert "alpha is being released" not in anna.reads("/")


def test_for_an_alert_about_no_bot_only_what_looks_is_offered_and_run(anna: Visitor) -> None:
    labels = {"alertname": "TradingBotDiskUsageHigh", "severity": "warning"}
    anna.world.deliver(anna.world.alert("alpha", labels=labels))
    page = anna.get("/").text
    assert 'value="check_network"' in page
    assert 'value="restart_bot"' not in page
    assert anna.send("/incidents/1/run", action="restart_bot").status_code == 409


def test_the_history_is_searched_by_bot_alert_and_text_and_leafed_through(anna: Visitor) -> None:
    harness = anna.world
    alerts = [harness.alert("alpha", fingerprint=f"f{n}") for n in range(35)]
    for n, alert in enumerate(alerts):
        alert["annotations"] = {"summary": f"number {n} of 100%"}
        alert["labels"]["bot"] = "beta" if n == 7 else "alpha"
        alert["labels"]["alertname"] = "TradingBotHighLatency" if n == 8 else "TradingBotDown"
    harness.deliver(*alerts)
    assert anna.get("/history").text.count('id="row-') == 30
    older = anna.get("/history?before=6").text
    assert older.count('id="row-') == 5
    assert anna.get("/history?bot=beta").text.count('id="row-') == 1
    assert anna.get("/history?alert=HighLatency").text.count('id="row-') == 1
    assert anna.get("/history?text=number+12+of+100%25").text.count('id="row-') == 1
    assert anna.get("/history?text=100_").text.count('id="row-') == 0, "a wildcard is taken literally"
    assert "No incident fits" in anna.reads("/history?text=nowhere")
    assert anna.get("/history?state=closed").text.count('id="row-') == 0


def test_the_worst_comes_first_and_many_are_counted(anna: Visitor) -> None:
    harness = anna.world
    alerts = [harness.alert("alpha", fingerprint=f"f{n}") for n in range(60)]
    for n, alert in enumerate(alerts):
        alert["labels"]["severity"] = ("critical", "warning", "info")[n % 3]
    harness.deliver(*alerts)
    page = anna.get("/").text
    shown = re.findall(r'class="panel incident (\w+)" id="(group|incident)-', page)
    groups = [severity for severity, kind in shown if kind == "group"]
    assert groups == ["critical", "warning", "info"]
    singles = [severity for severity, kind in shown if kind == "incident"]
    assert singles == ["critical"] * 20 + ["warning"] * 20 + ["info"] * 10
    assert "40 open incidents" in words(page), "news wants nobody"
    assert "the worst 50 of 60" in words(page)


def test_unacknowledged_incidents_come_before_acknowledged_ones(anna: Visitor) -> None:
    harness = anna.world
    late = {"alertname": "TradingBotHighLatency", "severity": "warning"}
    harness.deliver(harness.alert("alpha"), harness.alert("beta", labels=late))
    order = r'id="(incident-\d)"'
    assert re.findall(order, anna.get("/").text) == ["incident-1", "incident-2"]
    anna.send("/incidents/1/acknowledge")
    assert re.findall(order, anna.get("/").text) == ["incident-2", "incident-1"]


def test_one_open_incident_is_unfolded_and_several_are_a_line_each(anna: Visitor) -> None:
    harness = anna.world
    harness.deliver(harness.alert("alpha"))
    assert 'id="incident-1" open>' in anna.get("/").text
    harness.deliver(harness.alert("beta"))
    assert " open>" not in anna.get("/").text


def test_only_the_page_that_shows_nothing_of_the_request_is_compressed(anna: Visitor) -> None:
    plain = anna.get("/", **{"Accept-Encoding": "identity"})
    packed = anna.get("/", **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"])
    assert "Nightdesk</title>" in packed.text
    searched = anna.get("/history?text=alpha", **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in searched.headers


def test_times_are_those_of_the_settings_with_their_age(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))
    assert "Europe/Berlin" in anna.reads("/")
    assert " ago)" in anna.reads("/") or "(now)" in anna.reads("/")


def test_nothing_is_loaded_from_elsewhere_and_no_script_stands_in_a_page(anna: Visitor) -> None:
    anna.world.deliver(anna.world.alert("alpha"))
    for path in (*PAGES, "/login"):
        answer = anna.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "style=" not in answer.text
        assert "<script>" not in answer.text
        assert "onclick" not in answer.text
        assert 'src="http' not in answer.text


def test_a_link_in_a_message_shows_by_get_and_acknowledges_by_post_alone(anna: Visitor) -> None:
    harness = anna.world
    harness.deliver(harness.alert("alpha"))
    link = invitation(harness, incident=1, contact="manager")
    for _ in range(3):  # previews
        page = requests.get(harness.url(link), timeout=20)
        assert page.status_code == 200
        assert "Acknowledge as manager" in page.text
    assert "acknowledged" not in harness.kinds("alpha")
    answer = requests.post(harness.url(link), data={"comment": "on it"}, timeout=20)
    assert "Acknowledged: by manager (link): on it" in words(answer.text)
    assert harness.get("/api/v1/audit").json()[0]["who"] == "manager (link)"
    broken = requests.post(harness.url(link[:-3] + "AAA"), timeout=20)
    assert broken.status_code == 403
    assert "another Nightdesk made this link" in broken.text


def invitation(harness: Harness, incident: int, contact: str) -> str:
    """Return the path of a link as the engine itself would send it."""
    script = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; "
        "from stack.settings import load; from webhook_actions.notify.links import Links; "
        "print(Links(load([Path(sys.argv[1])])).url(int(sys.argv[2]), sys.argv[3], datetime.now(UTC)))"
    )
    words_ = [sys.executable, "-c", script, str(harness.config), str(incident), contact]
    made = subprocess.run(words_, capture_output=True, text=True, check=True).stdout.strip()
    return "/i/" + made.rpartition("/i/")[2]
