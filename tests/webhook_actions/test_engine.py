"""The engine acts, proves and hands over, seen from outside, with a real Prometheus and PostgreSQL."""

import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from standardwebhooks import Webhook

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.escalation.fakes import Fakes
from tests.webhook_actions.escalation.harness import Mailbox
from tests.webhook_actions.harness import RULE, Harness

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_bot_that_is_down_is_restarted_proven_and_its_incident_closed(harness: Harness) -> None:
    harness.goes_down("alpha")
    assert harness.deliver(harness.alert("alpha")).json()["opened"] == 1
    eventually(lambda: "verified" in harness.kinds("alpha"), what="the proof")
    assert len(harness.bots.by_name["alpha"].restarts) == 1
    assert harness.incident("alpha")["closed_at"] is None
    harness.deliver(harness.alert("alpha", status="resolved", endsAt=datetime.now(UTC).isoformat()))
    eventually(lambda: harness.incident("alpha")["closed_at"], what="closing")
    untold = {"unreachable", "exhausted"}  # no channel is configured here, so escalation ends at once
    done = [kind for kind in harness.kinds("alpha") if kind not in untold]
    assert done == ["opened", "acting", "done", "verified", "resolved", "closed"]
    judged = 'action="restart_bot",bot="alpha",verdict="verified"'
    assert harness.metric(f"nightdesk_action_verdicts_total{{{judged}}}") == 1
    assert harness.metric('nightdesk_alert_to_verified_seconds_count{bot="alpha"}') == 1


def test_an_incident_stays_open_while_any_of_several_prometheus_says_that_its_alert_fires(
    make_harness: Make,
) -> None:
    harness = make_harness("alpha")
    harness.start_prometheus()
    slow = harness.start_second_prometheus(
        RULE | {"expr": 'label_replace(vector(1), "bot", "alpha", "", "")'}
    )
    harness.goes_down("alpha")  # before an engine sees the second alert, and restarts the bot
    harness.start_engine()
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: "verified" in harness.kinds("alpha"), what="the proof")
    eventually(lambda: "alpha" not in harness.firing(), what="the first Prometheus's all clear")
    harness.deliver(harness.alert("alpha", status="resolved", endsAt=datetime.now(UTC).isoformat()))
    looks = 'nightdesk_reconciliations_total{outcome="done"}'
    seen = harness.metric(looks)
    eventually(lambda: harness.metric(looks) >= seen + 3, what="three comparisons with both")
    assert harness.incident("alpha")["closed_at"] is None
    harness.stop(slow)  # and a Prometheus that does not answer is unknown
    eventually(lambda: harness.incident("alpha")["closed_at"], what="closing")


def test_a_bot_that_does_not_come_back_is_tried_three_times_and_handed_over_once(harness: Harness) -> None:
    bot = harness.bots.by_name["alpha"]
    bot.comes_back = False
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: "escalated" in harness.kinds("alpha"), within=60, what="the escalation")
    time.sleep(3)  # three reconciliations
    assert len(bot.restarts) == 3
    assert len(set(bot.restarts)) == 3, "each try has an idempotency key of its own"
    spent = [e["text"] for e in harness.incident("alpha")["timeline"] if "attempts used" in e["text"]]
    assert len(spent) == 1
    assert [step["verdict"] for step in harness.incident("alpha")["runs"][:3]] == ["not_verified"] * 3
    told = next(entry for entry in harness.incident("alpha")["timeline"] if entry["kind"] == "escalated")
    assert "administrator" in told["text"]
    assert "restart_bot: 3 attempts used" in told["text"]


def test_attempts_count_over_incidents_so_that_a_flapping_bot_is_not_restarted_for_ever(
    harness: Harness,
) -> None:
    bot = harness.bots.by_name["alpha"]
    for flap in range(4):
        harness.goes_down("alpha")
        harness.deliver(harness.alert("alpha"))
        wanted = "verified" if flap < 3 else "escalated"
        eventually(lambda wanted=wanted: wanted in harness.kinds("alpha"), within=30, what=wanted)
        bot.up = 1.0
        harness.deliver(harness.alert("alpha", status="resolved", endsAt=datetime.now(UTC).isoformat()))
        eventually(lambda: harness.incident("alpha")["closed_at"], what="closing")
    assert len(bot.restarts) == 3
    assert "waiting" in [e["kind"] for e in harness.incidents()[1]["timeline"]], "it rests after a success"


def test_a_wrong_password_restarts_nothing(harness: Harness) -> None:
    harness.bots.by_name["alpha"].error = "auth"
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: "escalated" in harness.kinds("alpha"), what="the escalation")
    assert harness.bots.by_name["alpha"].restarts == []
    detail = harness.incident("alpha")["runs"][0]["detail"]
    assert detail == "it cannot mend this: the bot refuses our password or token"


def test_a_bot_that_dies_after_its_password_was_corrected_is_restarted(harness: Harness) -> None:
    bot = harness.bots.by_name["alpha"]
    bot.error = "auth"
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: "escalated" in harness.kinds("alpha"), what="the escalation")
    bot.error = "refused"
    eventually(lambda: "verified" in harness.kinds("alpha"), within=30, what="the restart")
    assert len(bot.restarts) == 1


def test_without_prometheus_nothing_is_done_and_a_person_hears(make_harness: Make) -> None:
    harness = make_harness("alpha")
    harness.start_engine()
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: "escalated" in harness.kinds("alpha"), what="the escalation")
    assert harness.bots.by_name["alpha"].restarts == []
    harness.bots.by_name["alpha"].up = 0.0
    harness.start_prometheus()
    eventually(lambda: "verified" in harness.kinds("alpha"), what="acting once Prometheus is back")


def test_more_bots_down_than_the_fleet_limit_are_not_all_restarted(make_harness: Make) -> None:
    names = [f"bot{n}" for n in range(6)]
    harness = make_harness(*names)
    harness.start_prometheus()
    harness.start_engine()
    for name in names:
        harness.bots.by_name[name].up = 0.0
    eventually(lambda: len(harness.firing()) == 6, what="six alerts")
    harness.deliver(*(harness.alert(name) for name in names))
    eventually(lambda: all({"escalated", "verified"} & set(harness.kinds(n)) for n in names), what="an end")
    restarted = [name for name in names if harness.bots.by_name[name].restarts]
    assert len(restarted) == 2
    assert sum("escalated" in harness.kinds(name) for name in names) == 4


def test_dry_run_says_what_it_would_have_done(make_harness: Make) -> None:
    harness = make_harness("alpha", actions={"dry_run": True})
    harness.start_prometheus()
    harness.start_engine()
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: "would_have" in harness.kinds("alpha"), what="would have")
    assert harness.bots.by_name["alpha"].restarts == []


def test_a_restart_that_a_crash_interrupts_is_looked_at_and_not_repeated_blindly(harness: Harness) -> None:
    bot = harness.bots.by_name["alpha"]
    bot.pause = 2.0  # the bot is back, but the engine dies before it learns this
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: bot.restarts, what="the restart")
    harness.stop(harness.engine, signal.SIGKILL)
    time.sleep(3)
    harness.start_engine()
    # Its result stays unknown until its lease ends: the sum of the time-outs that the lease covers.
    eventually(lambda: "verified" in harness.kinds("alpha"), within=120, what="the proof")
    assert len(bot.restarts) == 1
    assert "interrupted" in harness.kinds("alpha")


def test_an_incident_survives_a_kill_right_after_its_webhook_was_answered(harness: Harness) -> None:
    harness.goes_down("beta")
    assert harness.deliver(harness.alert("beta")).status_code == 200
    harness.stop(harness.engine, signal.SIGKILL)
    harness.start_engine()
    eventually(lambda: "verified" in harness.kinds("beta"), within=30, what="the proof")


def test_resolved_because_the_series_vanished_closes_nothing(harness: Harness) -> None:
    harness.bots.by_name["alpha"].comes_back = False
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    harness.bots.by_name["alpha"].up = None
    eventually(lambda: not harness.firing(), what="the series to vanish")
    harness.deliver(harness.alert("alpha", status="resolved", endsAt=datetime.now(UTC).isoformat()))
    time.sleep(3)
    assert harness.incident("alpha")["closed_at"] is None
    harness.bots.by_name["alpha"].up = 1.0
    eventually(lambda: harness.incident("alpha")["closed_at"], what="closing on a positive sample")


def test_what_resolved_while_silenced_is_closed_by_the_reconciler(harness: Harness) -> None:
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: harness.incident("alpha")["closed_at"], what="closing without a word of Alertmanager")
    assert "resolved" not in harness.kinds("alpha")


def test_resolved_with_a_moved_start_closes_the_incident_and_a_late_firing_opens_none(
    harness: Harness,
) -> None:
    started = datetime.now(UTC)
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha", startsAt=started.isoformat()))
    eventually(lambda: "verified" in harness.kinds("alpha"), what="the proof")
    moved = (started + timedelta(seconds=2)).isoformat()
    ended = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    harness.deliver(harness.alert("alpha", status="resolved", startsAt=moved, endsAt=ended))
    eventually(lambda: harness.incident("alpha")["closed_at"], what="closing")
    assert harness.deliver(harness.alert("alpha", startsAt=started.isoformat())).json()["ignored"] == 1
    assert len(harness.incidents()) == 1


def test_a_bot_taken_out_of_the_settings_leaves_no_incident_behind(harness: Harness) -> None:
    harness.deliver(harness.alert("gone"))
    eventually(lambda: harness.incident("gone")["closed_at"], what="closing")
    assert harness.incident("gone")["close_reason"] == "gone is no longer watched"


def test_a_second_crash_while_the_alert_is_kept_firing_is_acted_on_again(harness: Harness) -> None:
    harness.goes_down("alpha")
    harness.deliver(harness.alert("alpha"))
    eventually(lambda: "verified" in harness.kinds("alpha"), what="the proof")
    harness.goes_down("alpha")  # no new webhook, because nothing changed for Alertmanager
    eventually(lambda: harness.kinds("alpha").count("verified") == 2, within=30, what="the second proof")


def test_findings_reach_administrator_and_programs_and_maintenance_holds_all_back(
    make_harness: Make, tmp_path: Path, fakes: Fakes, mailbox: Mailbox
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    hook = {"name": "hook", "url": f"{fakes.url}/hook", "secret_file": str(tmp_path / "secret")}
    with mailbox.serving() as port:
        email = {
            "enabled": True,
            "host": "127.0.0.1",
            "port": port,
            "starttls": False,
            "from": "a@b.example",
            "to": ["c@d.example"],
        }
        harness = make_harness(
            "alpha",
            "beta",
            alerts={"Down": {"actions": ["check_market_conditions", "notify_admin"]}},
            contacts={"administrator": {"email": ["admin@example.org"]}},
            channels={"email": email, "webhooks": {"endpoints": [hook | {"events": ["system_alerts"]}]}},
            routing={"maintenance": [{"bots": ["beta"], "from": "00:00", "to": "00:00"}]},
        )
        harness.start_prometheus()
        harness.start_engine()
        for name in ("alpha", "beta"):
            harness.goes_down(name)
        harness.deliver(harness.alert("alpha"), harness.alert("beta"))
        eventually(lambda: len(mailbox.mails) >= 2, what="the opening's mail and the next one")
        eventually(lambda: len(fakes.to("webhook")) >= 4, what="two openings and two actions")
        eventually(lambda: harness.incident("alpha")["handed_over_at"], what="the end of the ladder")
    found = next(step for step in harness.incident("alpha")["runs"] if step["outcome"] == "done")["detail"]
    mails = [mailbox.text(index) for index in range(len(mailbox.mails))]
    [told] = [text for text in mails if "Why you: down for" in text]
    assert f"check_market_conditions: done, {found}" in told
    assert not [text for text in mails if "Why you: notify_admin" in text], (
        "the opening has told them already"
    )
    assert not [text for text in mails if "spent" in text], "and not again that nothing is left"
    stories = [Webhook(SECRET).verify(got.text, got.headers) for got in fakes.got if got.service == "webhook"]
    acted = [story["data"] for story in stories if story["type"] == "action.ended"]
    assert {(one["bot"], one["action"], one["outcome"]) for one in acted} == {
        ("alpha", "check_market_conditions", "done"),
        ("alpha", "notify_admin", "done"),
    }
    assert harness.kinds("beta") == ["opened", "waiting"]
    assert "in maintenance until" in harness.incident("beta")["timeline"][-1]["text"]
