"""The one table of metrics: name, type, unit, labels, group, definition and the field of each source."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

GAUGE: Final = "gauge"
COUNTER: Final = "counter"
HISTOGRAM: Final = "histogram"
TRADING: Final = "trading"
API: Final = "api"
MODEL: Final = "model"
MARKET: Final = "market"
SYSTEM: Final = "system"
LOGS: Final = "logs"
GUARD: Final = "guard"
EXPORTER: Final = "exporter"

# The names that `collect[]` takes, and the groups of each.
COLLECT: dict[str, tuple[str, ...]] = {
    TRADING: (TRADING, API),
    MODEL: (MODEL,),
    MARKET: (MARKET,),
    SYSTEM: (SYSTEM,),
    LOGS: (LOGS,),
    EXPORTER: (EXPORTER,),
    GUARD: (GUARD,),
}
# The groups that a scrape without `collect[]` gets. The guard's figures are newer copies of others.
USUAL = tuple(name for name in COLLECT if name != GUARD)

TRADES = "trades"
THIS_HOST = "psutil, of the host that the exporter runs on"
THIS_PROCESS = "`process.pid`, by psutil where it is on the exporter's host"
WITNESS = "`accounts.*.exchange` of the settings; docs/exchange.md"
WITNESSES = "`accounts.*.exchange` of the settings, else a live Freqtrade's /balance against /status; docs/exchange.md"
NAMED_PROCESS = "`process` of the bot's settings: pid_file or match by psutil, container by the Docker API"


@dataclass(frozen=True)
class Metric:
    """A row of the table. `http` and `freqtrade` name the source's field, or are empty if the source cannot know it."""

    name: str
    type: Literal["gauge", "counter", "histogram"]
    unit: str
    group: str
    help: str
    labels: tuple[str, ...] = ()
    http: str = ""
    freqtrade: str = ""
    elsewhere: str = ""
    of_bot: bool = True
    prefix: str = "trading_bot_"

    @property
    def full_name(self) -> str:
        """The name in Prometheus."""
        return self.prefix + self.name


def _model(
    name: str, unit: str, field: str, meaning: str, kind: Literal["gauge", "counter"] = GAUGE
) -> Metric:
    return Metric(name, kind, unit, MODEL, meaning, ("model",), http=f"models.*.{field}")


def _market(name: str, unit: str, field: str, meaning: str, *labels: str) -> Metric:
    return Metric(name, GAUGE, unit, MARKET, meaning, ("symbol", *labels), http=f"market.*.{field}")


def _traded(
    name: str, unit: str, meaning: str, *labels: str, kind: Literal["gauge", "counter"] = GAUGE
) -> Metric:
    """Return a row that is computed from the closed trades, which every source reports."""
    return Metric(name, kind, unit, TRADING, meaning, labels, http=TRADES, freqtrade="/trades")


def _filled(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """Return a row of slippage, computed from each trade's requested and filled prices."""
    http = "trades: entry_price, entry_price_requested, exit_price, exit_price_requested, size"
    freqtrade = "/trades open_rate, open_rate_requested, close_rate, close_rate_requested, amount; of one entry or exit, not of several"
    return Metric(f"slippage_{name}", GAUGE, unit, TRADING, meaning, labels, http=http, freqtrade=freqtrade)


def _made(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    http = "as pnl, profit_realised + profit_open"
    freqtrade = "as pnl, /profit profit_all_coin − profit_closed_coin"
    return Metric(name, GAUGE, unit, TRADING, meaning, labels, http=http, freqtrade=freqtrade)


def _limit(name: str, unit: str, meaning: str) -> Metric:
    """Return a row of a loss limit; `account` is empty for a limit of the bot itself."""
    says = "`limits` and `accounts` of the settings; docs/limits.md"
    return Metric(f"loss_limit_{name}", GAUGE, unit, TRADING, meaning, ("limit", "account"), elsewhere=says)


def _edge(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """Return a row of the live trades against their reference; `of` is live or reference."""
    says = "trades with a stake, against `edge` of the bot's settings; docs/edge.md"
    return Metric(f"edge_{name}", GAUGE, unit, TRADING, meaning, labels, elsewhere=says)


def _position(name: str, unit: str, http: str, freqtrade: str, meaning: str) -> Metric:
    """Return a row of the open positions of a symbol and side; of several positions it shows the worst."""
    labels = ("symbol", "side")
    where = f"/status {freqtrade}" if freqtrade else ""
    return Metric(f"position_{name}", GAUGE, unit, TRADING, meaning, labels, f"open_positions.{http}", where)


def _books(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """Return a row of the witness; `account` is empty for a bot without a key for its exchange."""
    return Metric(name, GAUGE, unit, TRADING, meaning, (*labels, "account"), elsewhere=WITNESSES)


def _exchange(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    about = ("account", *labels)
    return Metric(f"exchange_{name}", GAUGE, unit, TRADING, meaning, about, elsewhere=WITNESS)


def _guard(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    """Return a row of a figure that money alerts read; it is at most some seconds old."""
    return Metric(
        f"guard_{name}", GAUGE, unit, GUARD, meaning, labels, elsewhere="`collection.guard`; docs/guard.md"
    )


def _process(name: str, unit: str, meaning: str, kind: Literal["gauge", "counter"] = GAUGE) -> Metric:
    return Metric(name, kind, unit, SYSTEM, meaning, http=THIS_PROCESS, elsewhere=NAMED_PROCESS)


def _logged(
    name: str, unit: str, meaning: str, kind: Literal["counter", "histogram"], *labels: str
) -> Metric:
    return Metric(name, kind, unit, LOGS, meaning, labels, elsewhere="`bots.*.logs`")


def _own(
    name: str,
    unit: str,
    meaning: str,
    *labels: str,
    kind: Literal["gauge", "counter"] = GAUGE,
    of_bot: bool = True,
) -> Metric:
    own, prefix = "the exporter itself", "nightdesk_exporter_"
    return Metric(name, kind, unit, EXPORTER, meaning, labels, elsewhere=own, of_bot=of_bot, prefix=prefix)


# ruff: noqa: E501 - METRICS is a table, one row a line
# fmt: off
METRICS: tuple[Metric, ...] = (
    Metric("up", GAUGE, "bool", TRADING, "1 when the bot's source answered at the last poll, whatever its state.", http="any answer", freqtrade="any answer"),
    Metric("source_error", GAUGE, "bool", TRADING, "1 while the source fails, by reason: auth, refused, timeout, way (something in front of the bot answered, or its certificate is not trusted), http, parse, unavailable, internal (a defect of the exporter).", ("reason",), http="no answer", freqtrade="no answer"),
    Metric("start_time_seconds", GAUGE, "unix time", TRADING, "When the bot's trading loop started.", http="started_at", freqtrade="/health bot_startup_ts"),
    Metric("data_freshness_seconds", GAUGE, "seconds", TRADING, "Age of the newest market data, by feed.", ("feed",), http="feeds", freqtrade="/status current_rate: time since a rate of an open position last moved, or since all rates came without a failed call (feed rates)"),
    Metric("state", GAUGE, "bool", TRADING, "1 for the state that the bot is in: running, paused, stopped, reloading.", ("state",), http="state", freqtrade="/show_config state"),
    Metric("uptime_seconds", GAUGE, "seconds", TRADING, "Time since the bot's trading loop started.", http="time − started_at", freqtrade="now − /health bot_startup_ts"),
    Metric("last_activity_timestamp_seconds", GAUGE, "unix time", TRADING, "When the bot's trading loop last ran.", http="last_activity_at", freqtrade="/health last_process_ts"),
    _traded("trades_total", "trades", "Closed trades; outcome is won, lost or even, as first reported. Symbols beyond `collection.max_symbols` are counted as `other`.", "symbol", "side", "outcome", kind=COUNTER),
    _traded("symbol_pnl", "money", "Profit of the closed trades of a symbol; of symbols beyond `collection.max_symbols` as `other`.", "symbol"),
    _traded("win_rate", "ratio", "Share of the closed trades that made money."),
    Metric("profit_loss", GAUGE, "money", TRADING, "Profit of closed trades and of open positions.", http="profit_realised + profit_open", freqtrade="/profit profit_all_coin"),
    Metric("pnl", GAUGE, "money", TRADING, "Profit of the trades closed in the window: this calendar day, week (from Monday) or month in the configured `timezone`, or all.", ("window",), http="trades; total: profit_realised, else trades", freqtrade="/trades; before the first: /daily, /weekly, /monthly data[0].abs_profit (of UTC); total: /profit profit_closed_coin"),
    Metric("pnl_window_end_timestamp_seconds", GAUGE, "unix time", TRADING, "When this calendar day, week or month in the configured `timezone` ends. While the bot is down, its last known profit counts until then.", ("window",), http="as pnl", freqtrade="as pnl"),
    _made("pnl_open", "money", "Profit of open positions: `total` is its present value, a window is its change since the window's begin. A window is absent if the exporter did not see its begin within 5 minutes, unless trades and positions show that nothing was open then.", "window"),
    _made("pnl_all", "money", "Sum of `pnl` and `pnl_open`: the bot's whole profit in the window; its `total` is `profit_loss`.", "window"),
    _made("pnl_ratio", "ratio", "`pnl` (counts closed), `pnl_open` (open) and `pnl_all` (all) divided by the capital at the window's begin: the capital after the trades closed until then, with all transfers until now.", "window", "counts"),
    Metric("equity", GAUGE, "money", TRADING, "The bot's money if it closed all positions now. A `starting_capital` in the bot's settings overrules the bot's own.", http="equity; else starting_capital + profit_realised + profit_open", freqtrade="/balance starting_capital + /profit profit_all_coin"),
    _limit("used_ratio", "ratio", "Used share of a loss limit; the limit is reached at 1. While a bot does not answer, this is the last known share."),
    _limit("left", "money", "The loss that is left until the limit is reached; below 0 beyond the limit."),
    _limit("allowed", "money", "The allowed loss, counted from the limit's mark."),
    _limit("threshold", "money", "The equity at which the limit is reached; for a limit without `open_positions`, the balance."),
    _limit("acts_at_ratio", "ratio", "The share of the limit at which LossLimit fires."),
    _limit("complete", "bool", "0 while a figure behind the limit is unknown, or the exporter may have missed its mark: the limit's figures are then the last known."),
    _limit("known_timestamp_seconds", "unix time", "Time of the figures that the limit shows."),
    Metric("drawdown_ratio", GAUGE, "ratio", TRADING, "Fall of the present equity, open positions included, from the highest value that closed trades reached since `drawdown_baseline` in the bot's settings. A deposit or withdrawal changes no drawdown.", http="equity, profit_realised + profit_open, starting_capital (else the first equity), trades", freqtrade="as equity, /profit profit_all_coin, /trades"),
    _traded("max_drawdown_ratio", "ratio", "Deepest fall of the equity of closed trades from its earlier highest value; it ignores the baseline."),
    _traded("sharpe_ratio", "ratio", "Mean of the daily equity returns divided by their standard deviation, annualised by `days_per_year`; whole days only."),
    _traded("sortino_ratio", "ratio", "Mean of the daily equity returns divided by their downside deviation from 0, annualised by `days_per_year`; whole days only."),
    _traded("calmar_ratio", "ratio", "Compound annual return divided by the maximum drawdown of the daily equity; whole days only."),
    _traded("profit_factor", "ratio", "Money won divided by money lost; absent without a loss."),
    _traded("recovery_factor", "ratio", "Profit of closed trades divided by its deepest fall in money; absent without a fall."),
    _traded("expectancy", "money", "Mean profit of a closed trade."),
    _traded("trades_per_hour", "trades/hour", "Trades closed an hour, over the last 24 hours; for a younger bot over the time since its first trade opened, at least an hour."),
    _traded("trades_per_day", "trades/day", "Trades closed in the last 24 hours."),
    _traded("last_trade_timestamp_seconds", "unix time", "When a trade last closed; a closing time in the future does not count."),
    Metric("active_positions", GAUGE, "positions", TRADING, "Open positions; 0 for a symbol that was open before.", ("symbol",), http="open_positions", freqtrade="/status entries with amount > 0"),
    Metric("pending_orders", GAUGE, "orders", TRADING, "Orders waiting at the exchange.", http="pending_orders", freqtrade="/status orders[].is_open"),
    Metric("order_age_seconds", GAUGE, "seconds", TRADING, "Age of a symbol's oldest order that waits to be filled; stops, take-profits and other resting orders do not count.", ("symbol",), http="time − open_orders.placed_at, without `rests`", freqtrade="now − /status orders[].order_timestamp of open orders that are no stop loss"),
    _position("value", "money", "size × price", "amount × current_rate", "Value of all open positions at the present price."),
    _position("profit", "money", "profit", "profit_abs", "Profit of all open positions at the present price."),
    _position("unprotected", "bool", "stop_price, stop_at_exchange", "stop_loss_abs; an open stop loss of orders[] is at the exchange", "1 if no live stop is known: the bot reports none, the stop is on the wrong side of the price or behind the liquidation price, or only the bot would act on it and the bot is stopped. Absent with `stops: false` in the bot's settings."),
    _position("stop_distance_ratio", "ratio", "price, stop_price", "current_rate, stop_loss_abs", "Distance from the price to the position's live stop, as a share of the price."),
    _position("liquidation_distance_ratio", "ratio", "price, liquidation_price", "current_rate, liquidation_price", "Distance from the price to the position's liquidation, as a share of the price; below 0 beyond it."),
    _position("leverage", "times", "leverage", "leverage", "Value of the position divided by its own money."),
    _position("margin_ratio", "ratio", "margin_ratio", "", "Maintenance margin divided by the margin that is left: at 1 the exchange liquidates. OKX shows the inverse: 300% there is 0.33."),
    _position("funding_paid", "money", "funding_paid", "−funding_fees", "All funding paid since the position was opened; below 0 if the position received funding."),
    _position("age_seconds", "seconds", "opened_at", "open_fill_timestamp, else open_timestamp", "Time since the position was opened."),
    _books("books_difference", "as its kind", "The difference between exchange and bots, by kind (`difference`; docs/exchange.md); absent if they agree.", "symbol", "difference"),
    _books("books_at_exchange", "as its kind", "The exchange's figure, if they differ.", "symbol", "difference"),
    _books("books_by_bots", "as its kind", "The bots' figure, if they differ.", "symbol", "difference"),
    _books("books_differences", "differences", "Number of differences; absent while the exchange's or a bot's positions are unknown."),
    _books("books_compared", "bool", "1 when the last check compared the exchange and the bots; 0 if one of them is unknown."),
    _exchange("up", "bool", "1 when the exchange reported the account's positions at the last check."),
    _exchange("error", "bool", "1 while the exchange does not report them, by reason: auth (key, right or address), clock, limit, timeout, unavailable, answer, key_file, withdraws (the key may withdraw, so Nightdesk does not use it), internal (a defect of the exporter).", "reason"),
    _edge("trades", "trades", "Live trades that are compared with the reference."),
    _edge("fading", "bool", "1 from the trade with which a CUSUM reaches its limit that looks for half of the reference's expectancy, until it is back at half of it."),
    _edge("gone", "bool", "The same of the limits that look for no expectancy at all."),
    _edge("cusum_used_ratio", "ratio", "Share of its limit that a CUSUM has used up, 1 at most: of expectancy and win_rate (`figure`), for each alarm.", "figure", "alarm"),
    _edge("expectancy_ratio", "ratio", "Mean profit of a trade by its stake.", "of"),
    _edge("win_rate", "ratio", "Trades that made money, of all that are compared.", "of"),
    _edge("equity_ratio", "ratio", "Sum of the profits of the live trades, each by its stake; it does not compound."),
    _edge("cone_ratio", "ratio", "What that sum stays below, in this share of the paths of so many trades drawn from the reference.", "share"),
    _edge("drawdown_ratio", "ratio", "Deepest fall of that sum from its highest before, in stakes."),
    _edge("drawdown_limit_ratio", "ratio", "The fall that so many trades drawn from the reference stay below, with this confidence.", "confidence"),
    _edge("trades_per_day", "trades/day", "Trades a day, from the first closing to the last.", "of"),
    _edge("slippage_ratio", "ratio", "Mean slippage of a trade, entry and exit together; a backtest has none.", "of"),
    _edge("fee_ratio", "ratio", "Mean fees of a trade by its stake.", "of"),
    _edge("holding_seconds", "seconds", "Mean time from opening to closing.", "of"),
    _traded("position_size_avg", "money", "Mean stake of the closed trades whose stake is known."),
    _traded("position_duration_avg_seconds", "seconds", "Mean time from opening to closing of a closed trade."),
    Metric("current_exposure", GAUGE, "money", TRADING, "Money in open positions.", http="exposure", freqtrade="/count total_stake"),
    Metric("max_exposure", GAUGE, "money", TRADING, "The most money that may be in open positions: `max_exposure` in the bot's settings, else the bot's own limit.", http="max_exposure"),
    Metric("risk_utilization_ratio", GAUGE, "ratio", TRADING, "Exposure divided by the maximum exposure.", http="exposure / max_exposure"),
    _traded("value_at_risk", "ratio", "Loss of a day, as a share of the equity: in 1 − confidence of the days of `collection.var_window`, the loss was larger. Absent before 1 / (1 − confidence) days.", "confidence"),
    _traded("expected_shortfall", "ratio", "Mean loss of these worst days, which are 1 − confidence of all days.", "confidence"),
    _traded("value_at_risk_money", "money", "`value_at_risk` of the present equity, in money.", "confidence"),
    _traded("expected_shortfall_money", "money", "`expected_shortfall` of the present equity, in money.", "confidence"),
    _traded("max_consecutive_wins", "trades", "Longest run of winning trades, by closing time."),
    _traded("max_consecutive_losses", "trades", "Longest run of losing trades, by closing time."),
    _filled("fills", "fills", "Fills of the closed trades that report their requested price. leg is entry or exit; span is recent (`collection.slippage_recent`) or before (`collection.slippage_before`, the time before that).", "leg", "span"),
    _filled("mean_basis_points", "basis points", "Mean slippage of those fills. A purchase's slippage is (filled − requested) / requested, a sale's is (requested − filled) / requested: positive is worse for the bot.", "leg", "span"),
    _filled("p95_basis_points", "basis points", "The slippage that one in twenty of those fills exceeds.", "leg", "span"),
    _filled("cost", "money", "Cost of slippage, ± (filled − requested) × size, of the trades closed in the window; it counts fills of known slippage and size. Below 0 is a gain.", "window"),
    _traded("fees_paid", "money", "Fees of the trades closed in the window, if reported; `pnl` already contains them.", "window"),
    Metric("api_requests_total", COUNTER, "requests", API, "Calls of the bot to its exchange; outcome is ok or error.", ("outcome",), http="api.requests_ok_total, api.requests_error_total"),
    Metric("api_calls_per_minute", GAUGE, "requests/minute", API, "Calls of the bot to its exchange, over the last 5 minutes.", http="api, its increase"),
    Metric("error_rate", GAUGE, "ratio", API, "Failed share of the calls to the exchange over the last 5 minutes. Freqtrade counts no calls. For Freqtrade this is the share of the trading loop's passes (5 s) that logged a failed call; passes that the loop slept through after a failure count, too.", http="api, its increase", freqtrade="/logs, WARNING and above of freqtrade.exchange"),
    Metric("response_time_seconds", HISTOGRAM, "seconds", API, "Time the exchange took to answer the bot.", http="api.response_seconds"),
    _model("model_loaded", "bool", "loaded", "1 when the model can predict."),
    _model("model_accuracy", "ratio", "accuracy", "Share of all predictions that are right."),
    _model("model_precision", "ratio", "precision", "Share of the positive predictions that are right."),
    _model("model_recall", "ratio", "recall", "Share of the positive cases that the model found."),
    _model("model_f1_score", "ratio", "f1_score", "Harmonic mean of precision and recall."),
    _model("model_auc", "ratio", "auc", "Area under the ROC curve."),
    _model("prediction_confidence", "ratio", "prediction_confidence", "Confidence of the latest predictions."),
    _model("prediction_uncertainty", "ratio", "prediction_uncertainty", "Uncertainty of the latest predictions."),
    _model("prediction_time_seconds", "seconds", "prediction_seconds", "Time for one prediction."),
    Metric("prediction_duration_seconds", HISTOGRAM, "seconds", MODEL, "Times of the predictions.", ("model",), http="models.*.prediction_times"),
    _model("predictions_per_hour", "predictions/hour", "predictions_per_hour", "Predictions an hour."),
    _model("last_prediction_timestamp_seconds", "unix time", "last_prediction_at", "When the model last predicted."),
    _model("model_drift_detected", "bool", "drift_detected", "1 when the bot's drift test found drift."),
    _model("model_drift_score", "ratio", "drift_score", "Distance of the live data from the training data, as the bot measures it."),
    _model("model_last_retraining_timestamp_seconds", "unix time", "last_retraining_at", "When the model was last trained."),
    _model("model_retrainings_total", "trainings", "retrainings_total", "Trainings since the bot's start.", COUNTER),
    _model("data_quality_score", "ratio", "data_quality_score", "Quality of the model's input, 1 is best."),
    _model("missing_data_ratio", "ratio", "missing_data_ratio", "Missing values in the model's input."),
    _model("outlier_ratio", "ratio", "outlier_ratio", "Outliers in the model's input."),
    _market("market_volatility_ratio", "ratio", "volatility_ratio", "Volatility of an hour's returns."),
    _market("market_trend", "bool", "trend", "1 for the trend that the bot sees: up, down, sideways.", "trend"),
    _market("market_regime", "bool", "regime", "1 for the regime that the bot sees: calm, volatile, trending.", "regime"),
    _market("market_liquidity_score", "ratio", "liquidity_score", "Liquidity, 1 is best."),
    _market("market_price_change_ratio", "ratio", "price_change_1h_ratio, price_change_24h_ratio", "Change of the price over the window, 1h or 24h.", "window"),
    _market("market_volume_24h", "money", "volume_24h", "Money traded in the market in 24 hours."),
    _market("market_volume_change_24h_ratio", "ratio", "volume_change_24h_ratio", "Change of that volume over 24 hours."),
    _market("market_rsi", "0 to 100", "rsi", "Relative strength index."),
    _market("market_macd", "price", "macd", "Moving average convergence divergence."),
    _market("market_bollinger_position", "ratio", "bollinger_position", "Place of the price between the lower (0) and the upper (1) Bollinger band."),
    _market("market_support_resistance_strength", "ratio", "support_resistance_strength", "Strength of the nearest support or resistance, 1 is strongest."),
    Metric("host_cpu_usage_ratio", GAUGE, "ratio", SYSTEM, "Busy share of all CPUs of a host.", ("host",), freqtrade="/sysinfo cpu_pct", elsewhere=THIS_HOST, of_bot=False),
    Metric("host_memory_usage_ratio", GAUGE, "ratio", SYSTEM, "Used share of a host's memory.", ("host",), freqtrade="/sysinfo ram_pct", elsewhere=THIS_HOST, of_bot=False),
    Metric("host_disk_usage_ratio", GAUGE, "ratio", SYSTEM, "Used share of a host's file system.", ("host", "mountpoint"), elsewhere=THIS_HOST, of_bot=False),
    _process("cpu_usage_ratio", "ratio", "Share of one core that the bot's process or container used since the previous poll, at most 1: a bot's loop runs on one core."),
    _process("memory_usage_ratio", "ratio", "Memory of the bot's process divided by the host's, or memory of its container divided by the container's limit."),
    _process("process_cpu_seconds_total", "seconds", "CPU time that the bot's process or container has used.", COUNTER),
    _process("process_resident_memory_bytes", "bytes", "Resident memory of the bot's process; for a container, its memory without cached files."),
    _process("process_threads", "threads", "Threads of the bot's process or container."),
    _process("process_open_fds", "file descriptors", "Open file descriptors of the bot's process; unknown for a container."),
    Metric("network_latency_seconds", GAUGE, "seconds", SYSTEM, "Response time of an exchange's endpoint.", ("endpoint",), elsewhere="a recording rule over blackbox_exporter", of_bot=False),
    _logged("log_lines_total", "lines", "Lines of the bot's logs.", COUNTER),
    _logged("log_events_total", "events", "Events in the bot's logs (docs/logs.md). A line is at most one event; a traceback belongs to the line above it.", COUNTER, "category", "event", "severity"),
    _logged("log_slow_operation_seconds", "seconds", "Durations of the slow operations in the bot's logs.", HISTOGRAM),
    _logged("log_messages_total", "events", "Failures by message, with numbers and ids replaced; messages beyond `logs.top_messages` count as `other`.", COUNTER, "message"),
    _logged("log_matches_total", "lines", "Lines that a pattern of `logs.patterns` matches; its named groups are labels, too.", COUNTER, "event"),
    _logged("log_value", "as logged", "The number that the group `value` of a pattern of `logs.patterns` read; its other named groups are labels, too.", HISTOGRAM, "event"),
    _guard("up", "bool", "1 when the bot answered the last question for its money. While this is 0, the other figures of this group are the last known."),
    _guard("known_timestamp_seconds", "unix time", "Time of the other figures of this group."),
    _guard("equity", "money", "As `trading_bot_equity`."),
    _guard("drawdown_ratio", "ratio", "Same as `trading_bot_drawdown_ratio`; CriticalLoss reads it."),
    _guard("open_positions", "positions", "Open positions of all symbols."),
    _guard("loss_limit_used_ratio", "ratio", "Same as `trading_bot_loss_limit_used_ratio`; LossLimit reads it.", "limit", "account"),
    _guard("position_liquidation_distance_ratio", "ratio", "Same as `trading_bot_position_liquidation_distance_ratio`; LiquidationNear reads it.", "symbol", "side"),
    _guard("position_margin_ratio", "ratio", "Same as `trading_bot_position_margin_ratio`; LiquidationNear reads it.", "symbol", "side"),
    _guard("position_unprotected", "bool", "Same as `trading_bot_position_unprotected`; PositionUnprotected reads it.", "symbol", "side"),
    _guard("loss_limit_left", "money", "As `trading_bot_loss_limit_left`.", "limit", "account"),
    Metric("report_due", GAUGE, "bool", EXPORTER, "1 for ten minutes from a summary's local time (`summaries` of the settings), else 0.", ("period",), elsewhere="`summaries` and `timezone` of the settings", of_bot=False, prefix="nightdesk_"),
    Metric("report_start_timestamp_seconds", GAUGE, "unix time", EXPORTER, "Begin of a summary's period, while the summary is due.", ("period",), elsewhere="`summaries` and `timezone` of the settings", of_bot=False, prefix="nightdesk_"),
    _own("poll_duration_seconds", "seconds", "Duration of the last poll of the bot.", "source"),
    _own("poll_success", "bool", "1 when the last poll of the bot succeeded; source is http, freqtrade, file or push.", "source"),
    _own("polls_total", "polls", "Polls of the bot; outcome is ok or the reason of the failure.", "source", "outcome", kind=COUNTER),
    _own("last_success_timestamp_seconds", "unix time", "When a poll of the bot last succeeded.", "source"),
    _own("rejected_input_total", "values", "Values from the bot that the exporter refused, by reason.", "reason", kind=COUNTER),
    _own("edge_errors_total", "errors", "Trades that could not be compared with the reference (stake: none is known), and times that the reference could not be used (reference).", "reason", kind=COUNTER),
    _own("pushes_total", "pushes", "Pushes of the bot that the exporter accepted, whole or in part; kind is state, trades or metrics.", "kind", kind=COUNTER),
    _own("over_cap", "series", "Number that `collection.max_symbols` left out at the last poll, by metric (series) or part of the answer (symbols, models, feeds).", "what"),
    _own("log_unread_bytes", "bytes", "Bytes of the bot's logs that are not read yet; while they grow, reading falls behind."),
    _own("log_errors_total", "errors", "Times that one of the bot's logs, or the file of the read positions, became unusable, by reason.", "reason", kind=COUNTER),
    _own("log_places_lost_total", "files", "Times that the read position was in no file, or a rotated file could not be read: lines may be missing.", kind=COUNTER),
    _own("bots", "bots", "Bots that this exporter watches.", of_bot=False),
    _own("resident_memory_bytes", "bytes", "Memory that this exporter holds.", of_bot=False),
    _own("file_writes_total", "writes", "Writes of all samples into the files of `storage.file`; outcome is ok or error.", "outcome", kind=COUNTER, of_bot=False),
    _own("config_last_reload_successful", "bool", "1 when the last read of the settings succeeded; at 0 the earlier settings are in force.", of_bot=False),
    _own("config_last_reload_success_timestamp_seconds", "unix time", "When a read of the settings last succeeded.", of_bot=False),
)
# fmt: on

CATALOGUE: dict[str, Metric] = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True)
class Histogram:
    """Cumulative counts by upper bound; the last bound is infinity. `total` is the sum of all values."""

    buckets: tuple[tuple[float, int], ...]
    total: float


@dataclass(frozen=True)
class Sample:
    """A value of a declared metric; labels in the order of its row, without `bot`."""

    metric: Metric
    labels: tuple[str, ...]
    value: float | Histogram


def sample(name: str, value: float | Histogram, **labels: str) -> Sample:
    """Return a sample of the metric with this catalogue name.

    Raises KeyError for a metric that the catalogue does not declare, ValueError for labels that are not its
    own and for a number that is not finite.
    """
    if name not in CATALOGUE:
        raise KeyError(f"metric {name} is not declared; add a row to exporter/catalogue.py")
    metric = CATALOGUE[name]
    if set(labels) != set(metric.labels):
        raise ValueError(f"{name} has the labels {metric.labels}, not {tuple(labels)}")
    if not isinstance(value, Histogram) and not math.isfinite(value):
        raise ValueError(f"{name}: {value} is not a finite number; leave out an unknown figure")
    return Sample(metric, tuple(labels[label] for label in metric.labels), value)


def known(name: str, value: float | None, **labels: str) -> Iterator[Sample]:
    """Yield the sample, or nothing if the value is unknown. Raises like `sample`."""
    if value is not None:
        yield sample(name, value, **labels)


def table() -> str:
    """Return the catalogue as docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "<!-- Written by `python -m exporter.catalogue`; change exporter/catalogue.py instead. -->",
        "",
        "A figure that a source cannot know is absent, never zero. Ratios are 0 to 1, money is in the bot's stake currency.",
        "`collect[]=trading` serves the groups trading and api; every other group has its own name. A scrape without it gets",
        "all groups but guard, which has newer copies of some trading figures.",
        "",
    ]
    for group in dict.fromkeys(metric.group for metric in METRICS):
        lines += [
            f"## {group}",
            "",
            "| metric | type | unit | labels | meaning | bot API, file, push | Freqtrade | elsewhere |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for metric in (metric for metric in METRICS if metric.group == group):
            labels = ", ".join((("bot",) if metric.of_bot else ()) + metric.labels)
            cells = (f"`{metric.full_name}`", metric.type, metric.unit, labels, metric.help)
            lines.append("| " + " | ".join((*cells, metric.http, metric.freqtrade, metric.elsewhere)) + " |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(), end="")
