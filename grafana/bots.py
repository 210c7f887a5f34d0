"""Shows whether the bots are alive: their states, the worst first, as a tile and as table cells."""

from grafana.boards import leads_to
from grafana.grafanalib_extensions import Json, Stat
from grafana.panel_fields import Query, named_values, override, painted_query
from grafana.panels import PanelFactory
from grafana.promql import coded, counted_beside, each, of

OTHER, FIRST, RUNNING, UP = 1, 2, 5, 6  # 0 is down: it does not answer
_STATES = ("stopped", "paused", "reloading", "running")
SINCE = "time:ddd HH:mm"


def state() -> str:
    """Return the state of each bot as a number, the worst first; a bot without a state that answers is up."""
    told = coded("state", "state", _STATES)
    return (
        f"0 * ({each('up')} == 0)\n"
        f"or on (bot) {FIRST} + (({told}) >= 0)\n"
        f"or on (bot) {OTHER} + 0 * ({told})\n"
        f"or on (bot) {UP} * ({each('up')} == 1)"
    )


def states(factory: PanelFactory) -> Json:
    """Return the names and colours of the states."""
    shown = {
        0: ("down", factory.bad),
        OTHER: ("in another state", factory.warn),
        FIRST: ("stopped", factory.warn),
        FIRST + 1: ("paused", factory.warn),
        FIRST + 2: ("reloading", factory.calm),
        RUNNING: ("running", factory.good),
        UP: ("up", factory.good),
    }
    return named_values({str(code): named for code, named in shown.items()})


def since() -> str:
    """Return when each bot that is down last answered, in milliseconds."""
    answered = f"max by (bot) ({of('bot:trading_bot_answered_timestamp_seconds:known')})"
    return f"1000 * ({answered} and on (bot) ({each('up')} == 0))"


def alive(factory: PanelFactory) -> Stat:
    """Return the number of bots that are up and the worst state; for one bot its state."""
    up, every = f"sum({each('up')})", f"count({each('up')})"
    several = f"and on () ({every} > 1)"
    silent = f"bottomk(1, {since()})"
    bad = f"({state()}) < {RUNNING} unless on () {silent}"
    worst = f"bottomk(1, ({bad}) or on (bot) (({state()}) and on () ({every} == 1)))"
    name = "up of {{of}} bots"
    return factory.stat(
        "Bots",
        "How many bots answer, and the bot in the worst state. A bot is down when its source is silent, "
        "not when its owner stopped it. A down bot's money is the last known.",
        [
            Query(counted_beside(f"(({up} == {every}) {several})", of=every), name),
            Query(counted_beside(f"(({up} < {every}) {several})", of=every), name),
            Query(worst),
            Query(silent, "{{bot}} is down since"),
        ],
        empty="no bot known",
        overrides=[
            painted_query("A", factory.good),
            painted_query("B", factory.bad),
            override("C", "byFrameRefID", mappings=[states(factory)]),
            override("D", "byFrameRefID", unit=SINCE, color={"mode": "fixed", "fixedColor": factory.bad}),
        ],
        text="value_and_name",
        to=leads_to(factory.settings, "fleet", "system"),
    )
