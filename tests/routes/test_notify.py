"""`nightdesk test-notify` sends one message over each channel, and reports those that failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.announce import send_notice
from stack.notify import NotifyError, send_tests
from stack.settings import load
from tests.conftest import binary, eventually, free_port
from tests.routes.desk import Desk, running
from tests.webhook_actions.escalation.fakes import ACCOUNT, TWILIO_TOKEN, Fakes


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    services = Fakes()
    yield services
    services.close()


def test_one_message_goes_over_each_channel_and_none_is_acted_on(desk: Desk) -> None:
    for _ in range(2):  # Alertmanager does not treat a second test as a repetition
        before = len(_tests(desk))
        *by_alertmanager, (own, _) = send_tests(desk.settings, desk.words)
        assert by_alertmanager == [("email", "sent"), ("telegram", "sent"), ("slack", "sent")]
        assert own == "telegram to @channel"
        eventually(lambda count=before: len(_tests(desk)) == count + 1)
    subjects = [subject for subject in desk.inbox.subjects() if subject.startswith("[test]")]
    assert subjects == ["[test] Nightdesk reaches you by email"] * 2
    assert "TradingBotTestNotification" not in {alert for alert, _ in desk.inbox.acted_on()}


def test_what_nightdesk_says_by_itself_goes_over_each_channel_of_alertmanager(desk: Desk) -> None:
    send_notice(desk.settings, "meta", "exporter fails again and again", "It ended with exit code 1.")
    subject = "[meta] exporter fails again and again"
    eventually(lambda: subject in desk.inbox.subjects(), what="the mail")
    eventually(lambda: any(subject in text for text in desk.inbox.telegram), what="the chat's message")


def _tests(desk: Desk) -> list[str]:
    return [text for text in desk.inbox.telegram if "Nightdesk reaches you by telegram" in text]


def test_a_channel_that_refuses_is_named_and_the_others_are_still_tested(
    tmp_path: Path, fakes: Fakes
) -> None:
    binary("alertmanager")
    fakes.statuses |= {"sms": ["sent", "delivered"], "phone": ["ringing", "no-answer"]}
    (tmp_path / "twilio").write_text(TWILIO_TOKEN)
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "channels: {email: {to: [nobody@example.org]}, telegram: {enabled: false},"
        f" sms: {{enabled: true, account: {ACCOUNT}, token_file: twilio, from: '+15005550006',"
        f" to: ['+15550000001'], api_url: '{fakes.url}'}},"
        f" phone: {{enabled: true, account: {ACCOUNT}, token_file: twilio, from: '+15005550006',"
        f" to: ['+15550000001'], api_url: '{fakes.url}'}}}}"
    )
    with running(tmp_path, overlay) as desk:
        results = dict(send_tests(desk.settings, desk.words))
        assert results["email"].startswith("failed: Alertmanager could not deliver it")
        assert results["slack"] == "sent"
        assert results["sms to +15550000001"] == "delivered"
        assert results["phone to +15550000001"] == "failed: Twilio says no-answer"
        assert not any("telegram" in channel for channel in results)


def test_no_mail_goes_in_the_clear_where_starttls_is_wanted(tmp_path: Path) -> None:
    binary("alertmanager")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "channels: {email: {starttls: true}, telegram: {enabled: false}, slack: {enabled: false}}"
    )
    with running(tmp_path, overlay) as desk:  # its SMTP server knows no TLS
        ((channel, result),) = send_tests(desk.settings, desk.words)
        assert channel == "email"
        assert result.startswith("failed")
        assert not desk.inbox.mails
        assert "STARTTLS" in (tmp_path / "alertmanager.log").read_text()


def test_alertmanager_that_is_not_there_is_an_error_that_says_where_it_was_looked_for(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "slack").write_text("http://127.0.0.1:1")
    file = tmp_path / "monitoring.yaml"
    file.write_text(
        "channels: {slack: {enabled: true, url_file: slack}}\n"
        f"services: {{alertmanager: {{port: {port}}}}}\n"
    )
    with pytest.raises(NotifyError, match=f"Alertmanager at http://127.0.0.1:{port} cannot be reached"):
        send_tests(load([file]), ["--config", str(file)])


def test_without_any_channel_the_error_says_which_could_be_set(tmp_path: Path) -> None:
    file = tmp_path / "monitoring.yaml"
    file.write_text("profile: starter")
    with pytest.raises(NotifyError, match=r"no channel is configured; enable channels\.email"):
        send_tests(load([file]), ["--config", str(file)])
