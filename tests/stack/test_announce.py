"""Nightdesk's own announcements reach Alertmanager, or the log says why not."""

import pytest

from stack.announce import NotDelivered, send_notice
from stack.settings import load
from tests.conftest import free_port
from tests.stack.conftest import Desk


def test_a_missing_channel_is_reported_as_nobody_is_notified(desk: Desk):
    with pytest.raises(NotDelivered, match="enable one of email, telegram, slack below channels"):
        send_notice(load([desk.root / "monitoring.yaml"]), "meta", "exporter fails", "again and again")


def test_an_alertmanager_that_does_not_answer_is_named(desk: Desk):
    port = free_port()
    slack = {"enabled": True, "url_file": "secrets/slack"}
    desk.write(channels={"slack": slack}, services={"alertmanager": {"port": port}})
    with pytest.raises(NotDelivered, match=rf"Alertmanager at http://127\.0\.0\.1:{port}/.* does not answer"):
        send_notice(load([desk.root / "monitoring.yaml"]), "meta", "exporter fails", "again and again")
