"""The queries in the texts of alerts: each evaluation runs them once for each alert that fires."""

import re
from pathlib import Path

import pytest
import yaml

QUERY = re.compile(r"\((?:printf )?`([^`]*)`")
SERIES = re.compile(r"\b((?:\w+:)?trading_bot_\w+(?::\w+)?)\b(\{[^}]*\})?")


def unselected(query: str) -> list[str]:
    """Return the series of a query that it reads of every bot."""
    return [name for name, matchers in SERIES.findall(query) if not re.search(r"\b(bot|account)=", matchers)]


def of_one_bot(rules: Path) -> list[tuple[str, str]]:
    """Return alert and query of each query that the text of an alert about one bot asks."""
    found = []
    for file in sorted(rules.glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                texts = " ".join(rule.get("annotations", {}).values())
                found += [(rule["alert"], query) for query in QUERY.findall(texts) if "%" in query]
    return found


def test_the_text_of_one_bots_alert_reads_no_other_bots_series(rules: Path) -> None:
    queries = of_one_bot(rules)
    assert len(queries) > 100
    summaries = ("TradingBotDailySummary", "TradingBotWeeklySummary", "TradingBotMonthlySummary")
    wrong = {
        (alert, query): series
        for alert, query in queries
        if alert not in summaries and (series := unselected(query))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("query", "series"),
    [
        ("time() - bot:trading_bot_up:max{bot=%[1]q} unless on (bot) trading_bot_up == 1", ["trading_bot_up"]),
        ("max(trading_bot_pnl_open{bot=%q,window=`total`})", []),
        ("topk(1, trading_bot_missed{symbol=%q})", ["trading_bot_missed"]),
    ],
)
def test_a_query_that_reads_every_bot_is_found(query: str, series: list[str]) -> None:
    assert unselected(query) == series
