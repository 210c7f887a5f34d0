"""Links on the page: addresses in a text are links, and none leads to a Grafana that does not run."""

import socket
from pathlib import Path

import pytest
import yaml

from stack.settings import load
from tests.conftest import eventually, free_port
from webhook_actions.page.grafana import Dashboards
from webhook_actions.page.words import linked

OPEN = 'rel="noopener noreferrer" target="_blank"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://a.example/x?y=1&z=2.", f'<a href="https://a.example/x?y=1&amp;z=2" {OPEN}>'),
        ("(http://a.example/)", f'(<a href="http://a.example/" {OPEN}>http://a.example/</a>)'),
        ("one\ntwo", "one\ntwo"),
        ("<b>bold</b> & javascript:alert(1)", "&lt;b&gt;bold&lt;/b&gt; &amp; javascript:alert(1)"),
        (
            'https://a.example/"onclick="x',
            f'<a href="https://a.example/" {OPEN}>https://a.example/</a>&#34;on',
        ),
        ("momentum.net of file.io", "momentum.net of file.io"),
    ],
)
def test_an_address_in_a_text_is_a_link_and_all_else_is_text(text: str, shown: str) -> None:
    assert shown in linked(text)


def dashboards(directory: Path, port: int, **links: str) -> Dashboards:
    config = directory / "monitoring.yaml"
    config.write_text(yaml.safe_dump({"services": {"grafana": {"port": port}}, "links": links}))
    return Dashboards(load([config]), now=iter(range(0, 10**6, 31)).__next__)


def test_a_dashboard_is_linked_while_grafana_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as grafana:
        port = grafana.getsockname()[1]
        known, address = dashboards(tmp_path, port), f"http://127.0.0.1:{port}/d/trading-bot"
        eventually(lambda: known.there(address) == address, within=20, what="the link")
    eventually(lambda: known.there(address) is None, within=20, what="no link")


def test_other_addresses_and_those_that_settings_name_are_linked_unasked(tmp_path: Path) -> None:
    port = free_port()
    assert dashboards(tmp_path, port).there("https://example.org/d/x") == "https://example.org/d/x"
    named = dashboards(tmp_path, port, grafana="https://grafana.example.org")
    assert named.there("https://grafana.example.org/d/x") == "https://grafana.example.org/d/x"
    assert dashboards(tmp_path, port).there(None) is None
