"""What Nightdesk tells by itself reaches Alertmanager, or says why it reaches nobody."""

import pytest

from stack.settings import load
from stack.tell import NobodyTold, tell
from tests.conftest import free_port
from tests.stack.conftest import Desk


def test_without_a_channel_nobody_is_told_and_that_is_said(desk: Desk):
    with pytest.raises(NobodyTold, match="none of email, telegram, slack is set below channels"):
        tell(load([desk.root / "monitoring.yaml"]), "meta", "exporter fails", "again and again")


def test_an_alertmanager_that_does_not_answer_is_named(desk: Desk):
    port = free_port()
    slack = {"enabled": True, "url_file": "secrets/slack"}
    desk.write(channels={"slack": slack}, services={"alertmanager": {"port": port}})
    with pytest.raises(NobodyTold, match=rf"Alertmanager at http://127\.0\.0\.1:{port}/.* does not answer"):
        tell(load([desk.root / "monitoring.yaml"]), "meta", "exporter fails", "again and again")
