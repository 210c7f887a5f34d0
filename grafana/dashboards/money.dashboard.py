"""Money: the rest of each loss limit, P&L, and the cost of filling orders."""

from grafana.frame import frame, span
from grafana.grafanalib_extensions import Dashboard, Panel
from grafana.grid import Row
from grafana.panel_fields import RATIO, Query, named_values
from grafana.panels import PanelFactory
from grafana.promql import each, in_percent
from grafana.sums import AGES, age
from grafana.tables import Column, amount, table
from stack.settings.names import (
    EXPECTED_SHORTFALL,
    FEES,
    PNL,
    PNL_CLOSED,
    PNL_OPEN,
    SLIPPAGE,
    SLIPPAGE_COST,
    VALUE_AT_RISK,
)

UID = "trading-bot-money"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        _limits(factory),
        _made(factory),
        Row("Losses of a bad day", _tails(factory)),
        Row("Cost of fills", _fills(factory)),
    ]
    purpose = "The rest of each loss limit, the P&L, and the cost of filling orders."
    pace = factory.settings.dashboards.widgets.risk.refresh
    return frame(factory, UID, "Money", purpose, pace, panels)


def _limits(factory: PanelFactory) -> Panel:
    decimals, labels = factory.settings.dashboards.decimals, ("limit", "account")
    certain = named_values({"0": ("not for certain", factory.warn), "1": ("known", factory.good)})
    columns = [
        Column(
            "Used",
            each("loss_limit_used_ratio", *labels),
            RATIO,
            decimals.ratio,
            factory.at_most(factory.settings.thresholds.critical.loss_limit_used, 1),
            top=1,
        ),
        *(
            amount(factory, title, f"max by (bot, limit, account) (trading_bot_loss_limit_{metric}{{%s}})")
            for title, metric in {"Left": "left", "Reached at": "threshold"}.items()
        ),
        Column("Acts at", each("loss_limit_acts_at_ratio", *labels), RATIO, 0),
        Column("Known", each("loss_limit_complete", *labels), mapping=certain),
        Column("Of", f"1000 * {each('loss_limit_known_timestamp_seconds', *labels)}", "dateTimeFromNow"),
    ]
    rows = {"bot": "Bot", "limit": "Limit", "account": "Account"} | factory.by_currency
    words = (
        "Most used up first. LossLimit fires at the share at which a limit acts. While a bot is down "
        "it goes by what was known last, which is as old as the last column says."
    )
    return table(factory, "Loss limits", words, rows, columns, empty="no limit known", first="Used")


def _made(factory: PanelFactory) -> Panel:
    decimals = factory.settings.dashboards.decimals
    closed, every = (_by_window(metric) for metric in ("pnl", "pnl_all"))
    opened = f"(max by (bot, window) (trading_bot_pnl_open{{%s}}) or {every} - {closed})"
    columns = [
        amount(factory, title, expr)
        for title, expr in {PNL_CLOSED: closed, PNL_OPEN: opened, PNL: every}.items()
    ]
    ratios = {f"{PNL} of balance": "all", "Closed, of balance": "closed"}
    columns += [
        Column(
            title,
            each("pnl_ratio", "window", where=(f"counts={counts!r}",)),
            RATIO,
            decimals.ratio,
        )
        for title, counts in ratios.items()
    ]
    columns.append(Column("As of", factory.in_currencies(age(closed)), mapping=AGES))
    words = (
        "By calendar day, week, month and in all. Of a window open positions count by what they moved since "
        "it began: unknown where nobody saw that. The balance is what closed trades had left when it began. "
        "A silent bot's amounts are the last known; those of a window that has ended since are not known."
    )
    rows = {"bot": "Bot", "window": "Window"} | factory.by_currency
    title = f"{PNL}, closed and open"
    return table(
        factory, title, words, rows, columns, empty="not known", first={PNL_CLOSED: False, "Window": False}
    )


def _by_window(metric: str) -> str:
    """Return the amounts of each window; the last known ones of a bot that does not answer."""
    known, told = f"bot_window:trading_bot_{metric}:known{{%s}}", f"trading_bot_{metric}{{%s}}"
    return f"max by (bot, window) ({told} or on (bot, window) {known})"


def _tails(factory: PanelFactory) -> list[Panel]:
    figures = {VALUE_AT_RISK: "value_at_risk_money", EXPECTED_SHORTFALL: "expected_shortfall_money"}
    words = {
        VALUE_AT_RISK: "The loss that 5% and 1% of the days exceed, for the present equity.",
        EXPECTED_SHORTFALL: "The mean loss of such days, for the present equity.",
    }
    return [
        panel
        for name, metric in figures.items()
        for panel in factory.money_lines(
            f"{name} in money",
            words[name],
            [
                Query(
                    in_percent(f"max by (bot, confidence) (trading_bot_{metric}{{%s}})"),
                    factory.who("{{percent}}"),
                )
            ],
            empty="too few days",
            many=True,
            worst="highest",
        )
    ]


def _fills(factory: PanelFactory) -> list[Panel]:
    recent = span(factory.settings.collection.slippage_recent)
    mean = [
        Query(
            each("slippage_mean_basis_points", "leg", where=(f"span={one!r}",)), factory.who("{{leg}}", name)
        )
        for one, name in (("recent", f"mean {recent}"), ("before", "mean before"))
    ]
    worst = each("slippage_p95_basis_points", "leg", where=("span='recent'",))
    costs = {SLIPPAGE_COST: "slippage_cost", FEES: "fees_paid"}
    return [
        factory.lines(
            SLIPPAGE,
            "Basis points of the ordered price, for closed trades; above 0 is worse for the bot.",
            [*mean, Query(worst, factory.who("{{leg}}", f"p95 {recent}"))],
            unit="suffix:bp",
            decimals=1,
            empty="no requested price known",
            many=True,
        ),
        *factory.money_lines(
            f"{SLIPPAGE_COST} and {FEES.lower()} of the day",
            "Of the trades closed since midnight; the P&L already contains both.",
            [
                Query(f"max by (bot) (trading_bot_{metric}{{window='day',%s}})", factory.who(name.lower()))
                for name, metric in costs.items()
            ],
            empty="no requested price known",
            many=True,
            worst="highest",
        ),
    ]
