"""Compares the figures of a bot's strategy and models with those of the day before."""

from collections.abc import Iterable, Iterator

from webhook_actions.actions import Effect, action
from webhook_actions.bots import BotControl
from webhook_actions.findings import findings, money, percent, span
from webhook_actions.store.incidents import Incident

_TRADING = (
    ("win rate", "win_rate", percent),
    ("expectancy of a trade", "expectancy", money),
    ("profit factor", "profit_factor", "{:.2f}".format),
    ("Sharpe ratio", "sharpe_ratio", "{:.2f}".format),
    ("drawdown", "drawdown_ratio", percent),
    ("trades an hour", "trades_per_hour", "{:.2f}".format),
    ("mean holding time", "position_duration_avg_seconds", span),
    ("longest run of losses", "max_consecutive_losses", "{:.0f}".format),
)
_MODEL = (
    ("accuracy", "model_accuracy", percent),
    ("confidence", "prediction_confidence", percent),
    ("drift score", "model_drift_score", "{:.2f}".format),
    ("predictions an hour", "predictions_per_hour", "{:.1f}".format),
)


@action("review_strategy", effect=Effect.OBSERVE)
@findings
def review_strategy(bot: BotControl, incident: Incident) -> Iterable[str]:
    """Report the strategy's figures now and a day ago, and each model's, with the age of its training."""
    for name, metric, write in _TRADING:
        now = bot.number(f'trading_bot_{metric}{{bot="$bot"}}')
        before = bot.number(f'trading_bot_{metric}{{bot="$bot"}} offset 1d')
        if now is not None:
            yield f"{name}: {write(now)}" + (f" (a day ago {write(before)})" if before is not None else "")
    yield from _models(bot)


def _models(bot: BotControl) -> Iterator[str]:
    told: dict[str, list[str]] = {}
    for name, metric, write in _MODEL:
        for sample in bot.ask(f'max by (model) (trading_bot_{metric}{{bot="$bot"}})'):
            told.setdefault(sample.labels.get("model", ""), []).append(f"{name} {write(sample.value)}")
    ages = bot.ask(
        'time() - max by (model) (trading_bot_model_last_retraining_timestamp_seconds{bot="$bot"})'
    )
    for sample in ages:
        told.setdefault(sample.labels.get("model", ""), []).append(f"trained {span(sample.value)} ago")
    yield from (f"model {model}: {', '.join(figures)}" for model, figures in sorted(told.items()))
