"""A period's score, benchmarks, objectives and suggestions, from the recording rules."""

from stack.settings import Settings
from webhook_actions.report.history import History
from webhook_actions.report.model import Benchmark, Figure, Objective, Part, Proposal, Unit

_SCORE = 'max(last_over_time(bot:trading_bot_performance:score{bot="$bot"}[$range]))'
_PRIORITIES = ("high", "medium", "low")
# For each suggestion: its series, the worst value, its unit, and its text.
_SUGGESTED: dict[str, tuple[str, str, Unit, str]] = {
    "win_rate": ("bot:trading_bot_win_rate:settled", "min", "ratio", "the win rate was below"),
    "drawdown": ("trading_bot_drawdown_ratio", "max", "ratio", "the drawdown was above"),
    "error_rate": ("trading_bot_error_rate", "max", "ratio", "the share of failed calls was above"),
    "trades_per_hour": ("trading_bot_trades_per_hour", "min", "number", "the trades an hour were below"),
}
_UNITS: dict[str, Unit] = {
    "min_sharpe_ratio": "number",
    "min_trades_per_day": "number",
    "max_response_time": "seconds",
    "max_prediction_time": "seconds",
    "max_drift": "number",
}


def score(now: History, before: History) -> Figure:
    """Return the performance score at the end of each period."""
    values = now.number(_SCORE), before.number(_SCORE)
    return Figure(name="Performance score", unit="ratio", value=values[0], before=values[1], best="high")


def parts(settings: Settings, history: History) -> tuple[Part, ...]:
    """Return the known parts of the score, the heaviest first."""
    expression = _latest("bot_part:trading_bot_performance:score", "part")
    weights = settings.performance.weights
    found = [
        Part(name=name, score=value, weight=getattr(weights, name))
        for name, value in history.by("part", expression).items()
        if name in type(weights).model_fields
    ]
    return tuple(sorted(found, key=lambda part: (-part.weight, part.name)))


def benchmarks(settings: Settings, history: History) -> tuple[Benchmark, ...]:
    """Return the benchmarks with a known figure, in the order of the settings."""
    ratios = history.by("benchmark", _latest("bot_benchmark:trading_bot_performance:ratio", "benchmark"))
    met = history.by("benchmark", _latest("bot_benchmark:trading_bot_performance:met", "benchmark"))
    wanted = settings.performance.benchmarks
    return tuple(
        Benchmark(
            name=name,
            unit=_UNITS.get(name, "ratio"),
            value=ratios[name] * float(getattr(wanted, name)),
            limit=float(getattr(wanted, name)),
            at_least=name.startswith("min_"),
            met=met[name] == 1,
        )
        for name in type(wanted).model_fields
        if name in ratios and name in met
    )


def objectives(settings: Settings, history: History) -> tuple[Objective, ...]:
    """Return each known objective, with the share of the period in which it was met.

    Throughput is one only if configured.
    """
    left_out = () if settings.sla.throughput.alert else ("throughput",)
    metric = "bot_objective:trading_bot_objective:met"
    shares = history.by("objective", f'max by (objective) (avg_over_time({metric}{{bot="$bot"}}[$range]))')
    now = history.by("objective", _latest(metric, "objective"))
    return tuple(
        Objective(name=name, share=share, met=now[name] == 1)
        for name, share in sorted(shares.items())
        if name in now and name not in left_out
    )


def proposals(settings: Settings, history: History) -> tuple[Proposal, ...]:
    """Return the period's suggestions, the most urgent first."""
    fired = history.by(
        "category",
        'max by (category) (max_over_time(ALERTS{alertname="TradingBotSuggestion",'
        'alertstate="firing",bot="$bot"}[$range]))',
    )
    found = []
    for name, (series, worst, unit, says) in _SUGGESTED.items():
        suggestion = getattr(settings.suggestions, name)
        if suggestion.category in fired:
            value = history.number(f'{worst}({worst}_over_time({series}{{bot="$bot"}}[$range]))')
            found.append(
                Proposal(says=says, unit=unit, value=value, **suggestion.model_dump(exclude_none=True))
            )
    return tuple(sorted(found, key=lambda proposal: _PRIORITIES.index(proposal.priority)))


def _latest(metric: str, label: str) -> str:
    return f'max by ({label}) (last_over_time({metric}{{bot="$bot"}}[$range]))'
