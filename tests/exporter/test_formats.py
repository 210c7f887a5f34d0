"""Content negotiation as Prometheus 2.53 and 3 do it, and the two formats."""

from itertools import groupby

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.catalogue import METRICS
from exporter.exposition import Board, Lines, Owner
from exporter.formats import OPENMETRICS, TEXT, Format, choose, takes_gzip
from tests.exporter.test_catalogue import every_sample

# The Accept headers of the two versions with their default scrape_protocols.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
OLD_TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
GROUPS = {metric.group for metric in METRICS}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", OLD_TEXT),
        ("*/*", OLD_TEXT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", OLD_TEXT),
        ("text/plain", OLD_TEXT),
        ("application/json", OLD_TEXT),
        (PROMETHEUS_2, OPEN),
        (PROMETHEUS_3, f"{OPEN}; escaping=allow-utf-8"),
        ("application/openmetrics-text", OPEN),
        (
            "application/openmetrics-text;version=0.0.1;q=0.9,*/*;q=0.1",
            "application/openmetrics-text; version=0.0.1; charset=utf-8",
        ),
        ("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4", OLD_TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0,*/*;q=0.1", OLD_TEXT),
        ("application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.1", OLD_TEXT),
        (
            "text/plain;version=1.0.0;escaping=values;q=0.4,text/plain;version=0.0.4;q=0.3",
            "text/plain; version=1.0.0; charset=utf-8; escaping=values",
        ),
        ("application/openmetrics-text;version=1.0.0;escaping=dots", f"{OPEN}; escaping=underscores"),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=0.7,*/*;q=0.2", OLD_TEXT),
        ("text/plain;version=1.0.0;q=x,,;q=,text/*", OLD_TEXT),
    ],
)
def test_a_client_gets_its_preferred_format(accept, content_type):
    assert choose(accept).content_type == content_type


@pytest.mark.parametrize(
    ("accept_encoding", "taken"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("*;q=1, gzip;q=0", False),
        ("zstd, br", False),
    ],
)
def test_compressed_is_only_what_may_be(accept_encoding, taken):
    assert takes_gzip(accept_encoding) is taken


def board() -> Board:
    found = Board()
    for bot in ("one", 'hard "name"\\\n🚀'):
        samples = [each for each in every_sample() if each.metric.of_bot]
        found.publish(Owner(bot, "source"), Lines(10, bot).render(samples)[0])
    return found


def read(form: Format) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = open_families if form is OPENMETRICS else text_families
    text = board().page(GROUPS, form).decode()
    return {
        (each.name, frozenset(each.labels.items())): each.value
        for family in families(text)
        for each in family.samples
    }


def test_both_formats_hold_the_same_samples():
    assert read(TEXT) == read(OPENMETRICS)
    assert len(read(TEXT)) > 150


def test_openmetrics_says_types_units_and_its_end():
    text = board().page(GROUPS, OPENMETRICS).decode()
    assert text.endswith("\n# EOF\n")
    assert text.count("# EOF") == 1
    found = {family.name: family for family in open_families(text)}
    trades, uptime = found["trading_bot_trades"], found["trading_bot_uptime_seconds"]
    assert (trades.type, trades.unit) == ("counter", "")
    assert {each.name for each in trades.samples} == {"trading_bot_trades_total"}
    assert (uptime.type, uptime.unit) == ("gauge", "seconds")
    assert found["trading_bot_process_cpu_seconds"].unit == "seconds"
    assert found["trading_bot_response_time_seconds"].type == "histogram"
    assert all(family.unit for name, family in found.items() if name.endswith("_ratio"))
    assert [name for name, _ in groupby(found)] == list(found)


def test_a_page_of_no_bots_is_still_a_page():
    assert Board().page(GROUPS, OPENMETRICS) == b"# EOF\n"
    assert Board().page(GROUPS, TEXT) == b""


def test_what_an_owner_no_longer_says_is_gone_and_other_producers_of_the_bot_stay():
    found = Board()
    uptime, lines = (
        [each for each in every_sample() if each.metric.name == name]
        for name in ("uptime_seconds", "log_lines_total")
    )
    found.publish(Owner("b", "source"), Lines(10, "b").render(uptime)[0])
    found.publish(Owner("b", "logs"), Lines(10, "b").render(lines)[0])
    assert b"uptime" in found.page(GROUPS)
    assert b"log_lines" in found.page({"logs"}, bots=["b"])
    found.publish(Owner("b", "source"), {})
    assert b"uptime" not in found.page(GROUPS)
    assert b"log_lines" in found.page(GROUPS)
    assert found.page(GROUPS, bots=["c"]) == b""
