"""The overview: what the bots earn, whether they run, and what is wrong, on one page."""

from grafana.lacking import Dashboard, Stat, StateTimeline, Step, Table, TimeSeries
from grafana.look import BOT, COUNT, NUMBER, RATIO, SECONDS, Column, Look, Query, named_values, override
from stack.settings import Settings

UID = "trading-bot"
HOURS = "suffix:h"
# The Watchdog always fires, and info needs nobody. Alerts about the stack itself carry no bot.
ALERTS = 'alertname!~".*Watchdog",severity!="info",bot=~"$bot|"'


def dashboard(settings: Settings) -> Dashboard:
    """Return the dashboard."""
    look = Look(settings)
    panels = [*_money_now(look), *_bots_now(look), *_over_time(look), _each_bot(look)]
    purpose = "What the bots earn, whether they run, and what is wrong."
    return look.dashboard(UID, "Trading bots", purpose, settings.dashboards.widgets.overview, panels)


def _money_now(look: Look) -> list[Stat]:
    colours = look.settings.dashboards.colours
    earned = [Step(colours.lost), Step(colours.won, 0)]
    loss = -look.settings.thresholds.critical.daily_loss
    status = look.stat(
        "Status",
        "Bots by state. A bot is down when its source does not answer, not when its owner stopped it.",
        [
            Query(f"count(trading_bot_up{{{BOT}}} == 0)", "down"),
            Query(f"count by (state) (trading_bot_state{{{BOT}}} == 1)", "{{state}}"),
        ],
        unit=COUNT,
        empty="no bot known",
        steps=[Step(look.warn)],
        overrides=[
            override("down", color={"mode": "fixed", "fixedColor": look.bad}),
            override("running", color={"mode": "fixed", "fixedColor": look.good}),
        ],
        text="value_and_name",
        size="medium",
    )
    return [
        status,
        look.money(
            "P&L",
            "Profit of closed trades and of open positions, of all chosen bots.",
            "trading_bot_profit_loss{%s}",
            empty="no P&L known",
            steps=earned,
        ),
        look.money(
            "P&L today",
            "Profit of the trades closed today, of all chosen bots; red beyond one bot's daily loss limit.",
            'trading_bot_pnl{window="day",%s}',
            empty="no P&L known",
            steps=[Step(look.bad), Step(look.warn, loss), Step(colours.won, 0)],
        ),
        look.money(
            "Equity",
            "What all chosen bots would have if they closed all positions now.",
            "trading_bot_equity{%s}",
            empty="no equity known",
        ),
    ]


def _bots_now(look: Look) -> list[Stat]:
    limits, decimals = look.settings.thresholds, look.settings.dashboards.decimals.ratio
    sharpe = look.settings.performance.benchmarks.min_sharpe_ratio
    return [
        look.stat(
            "Win rate",
            "Closed trades that made money, of all closed trades. Of several bots the lowest.",
            [Query(f"bottomk(1, trading_bot_win_rate{{{BOT}}})")],
            unit=RATIO,
            decimals=decimals,
            empty="no trade closed",
            steps=[Step(look.warn), Step(look.good, limits.warning.win_rate)],
            text="value_and_name",
        ),
        look.stat(
            "Active positions",
            "Open positions of all chosen bots.",
            [Query(f"sum(trading_bot_active_positions{{{BOT}}})", "open")],
            unit=COUNT,
            empty="none known",
            text="value",
        ),
        look.stat(
            "Uptime",
            "Since the trading loop started. Of several bots the shortest.",
            [Query(f"bottomk(1, trading_bot_uptime_seconds{{{BOT}}}) / 3600")],
            unit=HOURS,
            decimals=decimals,
            empty="not running",
            text="value_and_name",
        ),
        look.stat(
            "Total trades",
            "Closed trades of all chosen bots.",
            [Query(f"sum(trading_bot_trades_total{{{BOT}}})", "closed")],
            unit=COUNT,
            empty="no trade closed",
            text="value",
        ),
        look.stat(
            "Sharpe ratio",
            "Daily equity returns by their deviation, annualised. Of several bots the lowest.",
            [Query(f"bottomk(1, trading_bot_sharpe_ratio{{{BOT}}})")],
            unit=NUMBER,
            empty="too few days",
            steps=[Step(look.warn), Step(look.good, sharpe)],
            text="value_and_name",
        ),
        look.stat(
            "Drawdown",
            "Fall of the equity from its highest. Of several bots the deepest; red from the alert's limit.",
            [Query(f"topk(1, trading_bot_drawdown_ratio{{{BOT}}})")],
            unit=RATIO,
            decimals=decimals,
            empty="not known",
            steps=[Step(look.good), Step(look.bad, limits.critical.max_drawdown)],
            text="value_and_name",
        ),
        look.stat(
            "Error rate",
            "Failed of all calls to the exchange. Of several bots the highest; red from the alert's limit.",
            [Query(f"topk(1, trading_bot_error_rate{{{BOT}}})")],
            unit=RATIO,
            decimals=decimals,
            empty="not known",
            steps=[Step(look.good), Step(look.bad, limits.critical.error_rate)],
            text="value_and_name",
        ),
        look.stat(
            "Firing alerts",
            "Alerts that need someone: critical, warning, and those about Nightdesk itself.",
            [Query(f'count(ALERTS{{alertstate="firing",{ALERTS}}})', "firing")],
            unit=COUNT,
            empty="none",
            steps=[Step(look.bad)],
            text="value",
        ),
    ]


def _over_time(look: Look) -> list[TimeSeries | StateTimeline | Table]:
    critical, shown = look.settings.thresholds.critical, look.settings.dashboards
    money = {"unit": look.money_unit(), "decimals": shown.decimals.money, "overrides": look.money_overrides()}
    ratio = {"unit": RATIO, "decimals": shown.decimals.ratio, "colour": shown.colours.lines.drawdown}
    up = named_values({"0": ("down", look.bad), "1": ("up", look.good)})
    return [
        look.lines(
            "Equity over time",
            "What each bot would have if it closed all positions.",
            [Query(f"trading_bot_equity{{{BOT}}}")],
            empty="no equity known",
            **money,
        ),
        look.lines(
            "P&L over time",
            "Profit of closed trades and of open positions, of each bot.",
            [Query(f"trading_bot_profit_loss{{{BOT}}}")],
            empty="no P&L known",
            filled=True,
            **money,
        ),
        _firing(look),
        look.lines(
            "Drawdown over time",
            "Fall of each bot's equity from its highest; the line is the alert's limit.",
            [Query(f"trading_bot_drawdown_ratio{{{BOT}}}")],
            empty="no drawdown known",
            limit=critical.max_drawdown,
            **ratio,
        ),
        look.lines(
            "API error rate",
            "Failed calls of all calls to the exchange; the line is the alert's limit.",
            [Query(f"trading_bot_error_rate{{{BOT}}}")],
            empty="no API calls known",
            limit=critical.error_rate,
            **ratio,
        ),
        look.states(
            "Up",
            "When the source of each bot answered.",
            [Query(f"trading_bot_up{{{BOT}}}")],
            up,
            empty="no bot known",
        ),
    ]


def _firing(look: Look) -> Table:
    severities = named_values({"critical": ("critical", look.bad), "warning": ("warning", look.warn)})
    return look.table(
        "Alerts",
        "What fires now, and for how long its condition has held.",
        {"alertname": "Alert", "bot": "Bot", "severity": "Severity"},
        [
            Column(
                "For",
                f"max by (alertname, bot, severity) (time() - ALERTS_FOR_STATE{{{ALERTS}}}"
                f' and ignoring (alertstate) ALERTS{{alertstate="firing",{ALERTS}}})',
                unit=SECONDS,
                decimals=0,
            )
        ],
        overrides=[override("Severity", mappings=[severities], custom__displayMode="color-text")],
        empty="nothing fires",
        first="For",
        size="large",
    )


def _each_bot(look: Look) -> Table:
    critical, warning = look.settings.thresholds.critical, look.settings.thresholds.warning
    money, ratio = look.settings.dashboards.decimals.money, look.settings.dashboards.decimals.ratio
    up = named_values({"0": ("down", look.bad), "1": ("up", look.good)})
    currencies = look.currencies()
    columns = [
        Column("Up", _by_bot("max", "up"), mapping=up),
        Column("State", f"max by (bot, state) (trading_bot_state{{{BOT}}} == 1)", label="state"),
        *(
            Column(
                f"P&L {currency}",
                f"max by (bot) (trading_bot_profit_loss{{{matchers}}})",
                f"suffix:{currency}",
                money,
            )
            for currency, matchers in currencies.items()
        ),
        Column(
            "Win rate",
            _by_bot("max", "win_rate"),
            RATIO,
            ratio,
            _from(look.warn, look.good, warning.win_rate),
        ),
        Column("Positions", _by_bot("sum", "active_positions"), COUNT),
        Column("Trades", _by_bot("sum", "trades_total"), COUNT),
        Column("Sharpe ratio", _by_bot("max", "sharpe_ratio"), NUMBER),
        Column(
            "Drawdown",
            _by_bot("max", "drawdown_ratio"),
            RATIO,
            ratio,
            _from(look.good, look.bad, critical.max_drawdown),
        ),
        Column(
            "Error rate",
            _by_bot("max", "error_rate"),
            RATIO,
            ratio,
            _from(look.good, look.bad, critical.error_rate),
        ),
        Column("Uptime", f"{_by_bot('max', 'uptime_seconds')} / 3600", HOURS, ratio),
    ]
    purpose = "Each chosen bot, the deepest drawdown first. An empty cell is not known."
    return look.table("Bots", purpose, {"bot": "Bot"}, columns, empty="–", first="Drawdown")


def _by_bot(aggregation: str, metric: str) -> str:
    return f"{aggregation} by (bot) (trading_bot_{metric}{{{BOT}}})"


def _from(below: str, above: str, limit: float) -> tuple[Step, ...]:
    return Step(below), Step(above, limit)
