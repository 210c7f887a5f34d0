"""SLA: which objectives are met, how much of each error budget is left, and how fast it burns."""

from grafana.frame import frame
from grafana.grafanalib_extensions import Dashboard, Panel, Stat, Step
from grafana.grid import Row
from grafana.panel_fields import NEUTRAL, NUMBER, RATIO, SECONDS, Query, named_values, override
from grafana.panels import PanelFactory
from grafana.promql import BOT, counted_beside, each, quantile
from grafana.sums import ANSWERS
from grafana.tables import Column, table

UID = "trading-bot-sla"
UNKNOWN = "not known yet"
MET = "bot_objective:trading_bot_objective:met"
BURN = "bot_objective_window:trading_bot_error_budget:burn"


def dashboard(factory: PanelFactory) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(factory),
        Row("Objectives, the missed first", [_objectives(factory)]),
        Row(
            "Over time" if factory.alone else "$bot",
            [*_over_time(factory), *_calls(factory)],
            each=None if factory.alone else "bot",
        ),
    ]
    purpose = "Which objectives are met, how much of each error budget is left, and how fast it is spent."
    return frame(factory, UID, "Service level", purpose, factory.settings.dashboards.refresh, panels)


def _verdicts(factory: PanelFactory) -> dict[str, tuple[str, str]]:
    return {"0": ("missed", factory.bad), "1": ("met", factory.good)}


def _met(factory: PanelFactory) -> str:
    """Return the objectives that count; throughput only if the settings say so."""
    counted = () if factory.settings.sla.throughput.alert else ('objective!="throughput"',)
    return each(MET, "objective", where=counted)


def _seen() -> str:
    """Return the objectives of which anything is known, over any time."""
    return each(BURN, "objective")


def _left(factory: PanelFactory) -> str:
    window = f'window="{factory.settings.sla.window}"'
    return f"clamp_min(1 - {each(BURN, 'objective', where=(window,))}, 0)"


def _now(factory: PanelFactory) -> list[Panel]:
    sla, decimals = factory.settings.sla, factory.settings.dashboards.decimals.ratio
    return [
        _missed(factory),
        factory.stat(
            "Availability",
            f"Over {sla.window}. The lowest of several bots; green from the objective.",
            [factory.worst(each("bot:trading_bot_availability:ratio"), "lowest")],
            unit=RATIO,
            decimals=decimals + 2,
            empty=UNKNOWN,
            steps=[Step(factory.bad), Step(factory.good, sla.availability)],
            text="value_and_name",
        ),
        factory.stat(
            "Objectives met",
            "The share of the objectives that are known. The lowest of several bots.",
            [factory.worst(each("bot:trading_bot_objective:met_ratio"), "lowest")],
            unit=RATIO,
            decimals=0,
            empty=UNKNOWN,
            steps=[Step(factory.bad), Step(factory.good, 1)],
            text="value_and_name",
        ),
        factory.stat(
            "Least budget left",
            f"Of what may go wrong in {sla.window}; the objective and bot with the least.",
            [factory.worst(_left(factory), "lowest", "{{objective}}")],
            unit=RATIO,
            decimals=0,
            empty=UNKNOWN,
            steps=[Step(factory.bad), Step(factory.warn, 0.1), Step(factory.good, 0.5)],
            text="value_and_name",
        ),
        _requests(factory),
    ]


def _missed(factory: PanelFactory) -> Stat:
    """Return the number of missed objectives; while some are not known, none missed is not shown as good."""
    met, every = _met(factory), f"({_met(factory)} or {_seen()})"
    missed = f"(count({met} == 0) or 0 * count({met}))"
    # What a silent bot met may be as old as the bot's last answer; what it missed is missed.
    certain = f"({met} == 0 or {met} and {ANSWERS})"
    lacking = f"count({every} unless on (bot, objective) {certain})"
    doubted = [Step(NEUTRAL), Step(factory.bad, 1)]
    return factory.stat(
        "Missed now",
        "Objectives of all chosen bots that are missed at the moment.",
        [
            Query(counted_beside(f"({missed} unless on () {lacking})", of=f"count({every})"), "of {{of}}"),
            Query(
                counted_beside(missed, unknown=lacking, of=f"count({every})"),
                "of {{of}}; {{unknown}} not known yet",
            ),
        ],
        empty=UNKNOWN,
        steps=[Step(factory.good), Step(factory.bad, 1)],
        overrides=[override("B", "byFrameRefID", thresholds={"mode": "absolute", "steps": doubted})],
        text="value_and_name",
    )


def _requests(factory: PanelFactory) -> Stat:
    sla = factory.settings.sla
    return factory.stat(
        "Requests",
        f"A second, and the peak of {sla.throughput.peak_over}; of several bots the busiest. "
        f"Wished for: {sla.throughput.average:g}, {sla.throughput.peak:g} at the peak.",
        [
            Query(f"max({each('bot:trading_bot_api_requests:rate')})", "now"),
            # Prometheus records the peak after the rate, so the query adds the present rate.
            Query(f'max({{__name__=~"bot:trading_bot_api_requests:(rate|peak)",{BOT}}})', "peak"),
        ],
        unit="reqps",
        decimals=2,
        empty=UNKNOWN,
        text="value_and_name",
    )


def _objectives(factory: PanelFactory) -> Panel:
    # Objectives without data come after met ones.
    verdicts = _verdicts(factory) | {"2": ("not known", NEUTRAL)}
    columns = [
        Column("Now", f"{_met(factory)} or 2 + 0 * {_seen()}", mapping=named_values(verdicts)),
        Column(
            f"Budget left of {factory.settings.sla.window}",
            _left(factory),
            RATIO,
            0,
            [Step(factory.bad), Step(factory.warn, 0.1), Step(factory.good, 0.5)],
            top=1,
        ),
        *(
            Column(
                f"Burn {rate.long}",
                each(BURN, "objective", where=(f'window="{rate.long}"',)),
                NUMBER,
                1,
                factory.at_most(1, rate.factor) if rate.factor > 1 else factory.at_most(1),
            )
            for rate in factory.settings.sla.burn_rates
        ),
    ]
    return table(
        factory,
        "Objectives of each bot",
        "Missed first. `Now` is the moment, the budget is all that went wrong in its window: one may be "
        "missed with much of its budget left, and met with none. A burn of 1 spends exactly what is allowed; "
        "red from the alert's factor. "
        "Objectives without events have no budget.",
        {"bot": "Bot", "objective": "Objective"},
        columns,
        empty="–",
        first="Now",
        falling=False,
    )


def _over_time(factory: PanelFactory) -> list[Panel]:
    rates = factory.settings.sla.burn_rates
    severities = {"critical": factory.bad, "warning": factory.warn}
    fastest = rates[0].long if rates else factory.settings.sla.window
    limits = {rate.factor: severities.get(rate.severity, factory.calm) for rate in rates}
    return [
        factory.states(
            "Objectives over time",
            "The times at which each objective was met.",
            [Query(_met(factory), "{{objective}}")],
            named_values(_verdicts(factory)),
            empty=UNKNOWN,
            size="xlarge",
        ),
        factory.lines(
            "Budget left over time",
            f"Of what may go wrong in {factory.settings.sla.window}.",
            [Query(_left(factory), "{{objective}}")],
            unit=RATIO,
            empty=UNKNOWN,
            many=True,
            overrides=[override(".*", "byRegexp", min=0, max=1)],
            worst="lowest",
        ),
        factory.lines(
            f"Burn over {fastest}",
            "How fast the budget burns: 1 spends just the allowed part. The lines are the alerts' factors.",
            [Query(each(BURN, "objective", where=(f'window="{fastest}"',)), "{{objective}}")],
            unit=NUMBER,
            empty=UNKNOWN,
            many=True,
            limits=[Step(colour, factor) for factor, colour in sorted(limits.items())],
        ),
    ]


def _calls(factory: PanelFactory) -> list[Panel]:
    wanted = factory.settings.sla.response_time
    shares = {"median": (0.5, wanted.median), "p95": (0.95, wanted.p95), "p99": (0.99, wanted.p99)}
    return [
        factory.lines(
            f"Response time, {name}",
            "The line is the objective.",
            [Query(quantile(share, "response_time_seconds"))],
            unit=SECONDS,
            empty="no API calls known",
            limits=[Step(factory.bad, float(limit))],
            size="large",
        )
        for name, (share, limit) in shares.items()
    ] + [
        factory.lines(
            "Errors a second",
            "By place: calls to the exchange, and the log.",
            [Query(each("bot_source:trading_bot_errors:rate", "source"), "{{source}}")],
            unit=NUMBER,
            empty="no errors known",
            many=True,
            size="large",
        ),
    ]
