"""Says for which bots a drawdown alert can fire: before a start by the settings, then by Prometheus."""

from collections.abc import Iterator

from stack.settings import FreqtradeBot, Settings
from stack.status import ask_prometheus, by_bot

ALERT = "CriticalLoss"
CANNOT_FIRE = "drawdown alerts cannot fire without starting_capital or equity history"


def unarmed(settings: Settings) -> list[str]:
    """Return a line for each bot whose drawdown would be unknown: the settings must give its capital.

    Freqtrade reports its own.
    """
    return [
        f"bots.{name}.starting_capital: {name}: {CANNOT_FIRE}; write its capital before its first trade, "
        "or a drawdown_baseline with its equity"
        for name, bot in settings.bots.items()
        if not isinstance(bot.source, FreqtradeBot)
        and bot.starting_capital is None
        and (bot.drawdown_baseline is None or bot.drawdown_baseline.equity is None)
    ]


def live(settings: Settings) -> Iterator[str]:
    """Yield a line for each bot: whether CriticalLoss can fire, and whether it does. Raises Unreachable.

    It asks Prometheus, so it checks the whole way from the bot to the rule.
    """
    samples = ask_prometheus(
        settings, f'{{__name__=~"trading_bot_(up|drawdown_ratio)|ALERTS",alertname=~"|.+{ALERT}"}}'
    )
    up, drawdown = (by_bot(samples, f"trading_bot_{name}") for name in ("up", "drawdown_ratio"))
    firing = by_bot([each for each in samples if each.labels.get("alertstate") == "firing"], "ALERTS")
    limit = settings.thresholds.critical.critical_loss
    for name in settings.bots:
        if name in firing:
            yield f"{name}: {ALERT} fires, beyond a drawdown of {limit:.1%}; {_acts(settings)}"
        elif name in drawdown:
            now = f"now {drawdown[name]:.1%}; {_acts(settings)}"
            yield f"{name}: {ALERT} is armed: it fires beyond a drawdown of {limit:.1%}, {now}"
        elif up.get(name) == 1:
            yield f"warning: {name}: {CANNOT_FIRE}; see bots.{name} in the settings, and what the bot reports"
        else:
            why = "does not answer" if name in up else "is not seen yet"
            yield f"warning: {name}: {why}: {ALERT} cannot fire until it is"


def _acts(settings: Settings) -> str:
    """Return the alert's automatic actions as text."""
    actions = settings.alerts[ALERT].actions or []
    armed = [action for action in actions if action in settings.actions.armed]
    if not armed:
        return "it closes nothing: actions.armed has none of its actions"
    return f"it runs {', '.join(armed)}"
