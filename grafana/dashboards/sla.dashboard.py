"""SLA: which objectives are met, how much of each error budget is left, and how fast it is spent."""

from grafanalib.core import Panel

from grafana.frame import frame
from grafana.grid import Row
from grafana.lacking import Dashboard, Stat, Step
from grafana.look import Look
from grafana.parts import NEUTRAL, NUMBER, RATIO, SECONDS, Query, named_values, override
from grafana.promql import each, quantile
from grafana.tables import Column, table

UID = "trading-bot-sla"
UNKNOWN = "not known yet"
MET = "bot_objective:trading_bot_objective:met"
BURN = "bot_objective_window:trading_bot_error_budget:burn"


def dashboard(look: Look) -> Dashboard:
    """Return the dashboard."""
    panels = [
        *_now(look),
        Row("Objectives, the missed first", [_objectives(look)]),
        Row(
            "Over time" if look.alone else "$bot",
            [*_over_time(look), *_calls(look)],
            each=None if look.alone else "bot",
        ),
    ]
    purpose = "Which objectives are met, how much of each error budget is left, and how fast it is spent."
    return frame(look, UID, "Service level", purpose, look.settings.dashboards.refresh, panels)


def _verdicts(look: Look) -> dict[str, tuple[str, str]]:
    return {"0": ("missed", look.bad), "1": ("met", look.good)}


def _met(look: Look) -> str:
    """Return the objectives that count: throughput is one of them only where it is wanted."""
    counted = () if look.settings.sla.throughput.alert else ('objective!="throughput"',)
    return each(MET, "objective", where=counted)


def _left(look: Look) -> str:
    window = f'window="{look.settings.sla.window}"'
    return f"clamp_min(1 - {each(BURN, 'objective', where=(window,))}, 0)"


def _now(look: Look) -> list[Panel]:
    sla, decimals = look.settings.sla, look.settings.dashboards.decimals.ratio
    return [
        look.stat(
            "Missed now",
            "Objectives of all chosen bots that are missed at the moment.",
            [Query(f"count({_met(look)} == 0) or 0 * count({_met(look)})", "missed")],
            empty=UNKNOWN,
            steps=[Step(look.good), Step(look.bad, 1)],
        ),
        look.stat(
            "Availability",
            f"Over {sla.window}. Of several bots the lowest; green from the objective.",
            [Query(f"bottomk(1, {each('bot:trading_bot_availability:ratio')})")],
            unit=RATIO,
            decimals=decimals + 2,
            empty=UNKNOWN,
            steps=[Step(look.bad), Step(look.good, sla.availability)],
            text="value_and_name",
        ),
        look.stat(
            "Objectives met",
            "The share of the objectives that are known. Of several bots the lowest.",
            [Query(f"bottomk(1, {each('bot:trading_bot_objective:met_ratio')})")],
            unit=RATIO,
            decimals=0,
            empty=UNKNOWN,
            steps=[Step(look.bad), Step(look.good, 1)],
            text="value_and_name",
        ),
        look.stat(
            "Least budget left",
            f"Of what may go wrong in {sla.window}; the objective and bot with the least.",
            [Query(f"bottomk(1, {_left(look)})", look.who("{{objective}}"))],
            unit=RATIO,
            decimals=0,
            empty=UNKNOWN,
            steps=[Step(look.bad), Step(look.warn, 0.1), Step(look.good, 0.5)],
            text="value_and_name",
        ),
        _requests(look),
    ]


def _requests(look: Look) -> Stat:
    sla = look.settings.sla
    return look.stat(
        "Requests",
        f"A second, and the peak of {sla.throughput.peak_over}; of several bots the busiest. "
        f"Wished for: {sla.throughput.average:g}, {sla.throughput.peak:g} at the peak.",
        [
            Query(f"max({each('bot:trading_bot_api_requests:rate')})", "now"),
            Query(f"max({each('bot:trading_bot_api_requests:peak')})", "peak"),
        ],
        unit="reqps",
        decimals=2,
        empty=UNKNOWN,
        text="value_and_name",
    )


def _objectives(look: Look) -> Panel:
    # An objective that nothing is known of stands behind those that are met.
    verdicts = _verdicts(look) | {"2": ("not known", NEUTRAL)}
    columns = [
        Column("Now", f"{_met(look)} or 2 + 0 * {_left(look)}", mapping=named_values(verdicts)),
        Column(
            f"Budget left of {look.settings.sla.window}",
            _left(look),
            RATIO,
            0,
            [Step(look.bad), Step(look.warn, 0.1), Step(look.good, 0.5)],
            top=1,
        ),
        *(
            Column(
                f"Burn {rate.long}",
                each(BURN, "objective", where=(f'window="{rate.long}"',)),
                NUMBER,
                1,
                look.at_most(1, rate.factor) if rate.factor > 1 else look.at_most(1),
            )
            for rate in look.settings.sla.burn_rates
        ),
    ]
    return table(
        look,
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


def _over_time(look: Look) -> list[Panel]:
    rates = look.settings.sla.burn_rates
    severities = {"critical": look.bad, "warning": look.warn}
    fastest = rates[0].long if rates else look.settings.sla.window
    limits = {rate.factor: severities.get(rate.severity, look.calm) for rate in rates}
    return [
        look.states(
            "Objectives over time",
            "When each was met.",
            [Query(_met(look), "{{objective}}")],
            named_values(_verdicts(look)),
            empty=UNKNOWN,
            size="xlarge",
        ),
        look.lines(
            "Budget left over time",
            f"Of what may go wrong in {look.settings.sla.window}.",
            [Query(_left(look), "{{objective}}")],
            unit=RATIO,
            empty=UNKNOWN,
            many=True,
            overrides=[override(".*", "byRegexp", min=0, max=1)],
            worst="lowest",
        ),
        look.lines(
            f"Burn over {fastest}",
            "How many times too fast the budget is spent; the lines are the alerts' factors.",
            [Query(each(BURN, "objective", where=(f'window="{fastest}"',)), "{{objective}}")],
            unit=NUMBER,
            empty=UNKNOWN,
            many=True,
            limits=[Step(colour, factor) for factor, colour in sorted(limits.items())],
        ),
    ]


def _calls(look: Look) -> list[Panel]:
    wanted = look.settings.sla.response_time
    shares = {"median": (0.5, wanted.median), "p95": (0.95, wanted.p95), "p99": (0.99, wanted.p99)}
    return [
        look.lines(
            f"Response time, {name}",
            "The line is the objective.",
            [Query(quantile(share, "response_time_seconds"))],
            unit=SECONDS,
            empty="no API calls known",
            limits=[Step(look.bad, float(limit))],
            size="large",
        )
        for name, (share, limit) in shares.items()
    ] + [
        look.lines(
            "Errors a second",
            "Where they were seen: in calls to the exchange, in the log.",
            [Query(each("bot_source:trading_bot_errors:rate", "source"), "{{source}}")],
            unit=NUMBER,
            empty="no errors known",
            many=True,
            size="large",
        ),
    ]
