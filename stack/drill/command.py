"""The command `nightdesk drill`: one alert or all, now or on schedule; or the result of the last one."""

import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from stack.drill import report, schedule
from stack.drill.progress import HopTimeouts
from stack.drill.run import Drill, DrillRequest, Result, Say
from stack.files import ROOT
from stack.instance import BOTS, Instance, as_json, names_of, on_instance
from stack.oncall import NotDone
from stack.printing import say, show_json
from stack.render import as_data, evaluate, rendered
from stack.settings import Settings

log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--alert",
    metavar="NAME",
    shell_complete=names_of(lambda settings: settings.alerts),
    help="One alert: Down, CriticalLoss, …",
)
@click.option("--all", "every", is_flag=True, help="Every alert that is on, within 15 minutes")
@click.option("--bot", metavar="NAME", shell_complete=BOTS, help="Notify the people of this bot")
@click.option("--last", is_flag=True, help="Show the result of the last drill")
@click.option("--scheduled", is_flag=True, help="Run a drill at each time of drill.schedule")
@as_json
@on_instance
def drill(
    instance: Instance,
    alert: str | None,
    every: bool,
    bot: str | None,
    last: bool,
    scheduled: bool,
    as_json: bool,
) -> int:
    """Fire alerts of a synthetic bot, marked DRILL, and follow each to the person who acknowledges it."""
    if last:
        return _show(instance.data, as_json)
    settings = instance.settings()
    if scheduled:
        serve(settings, instance.data)
    if bool(alert) == every:
        raise NotDone(
            "name an alert (--alert Down) or all (--all); --last shows the result of the last drill"
        )
    wish = DrillRequest(_known(settings, alert), _bot(settings, bot), float(settings.drill.gap))
    result = run(settings, wish, click.echo if not as_json else lambda _: None)
    report.keep(instance.data, result)
    if as_json:
        show_json(report.as_data(result))
    else:
        say("\n".join(["", *report.lines(report.as_data(result))]))
    return 1 if result.faults else 0


def run(settings: Settings, wish: DrillRequest, say: Say, patience: HopTimeouts | None = None) -> Result:
    """Run a drill to its end and return its result."""
    return Drill(settings, rendered(settings), alerts(settings), wish, patience or usual(settings)).go(say)


def usual(settings: Settings) -> HopTimeouts:
    """Return how long each hop may take with these settings."""
    waits = settings.routing.group_wait
    group = {name: float(getattr(waits, name)) for name in ("critical", "warning", "info")}
    return HopTimeouts(answer=float(settings.drill.answer_within), group=group | {"meta": group["critical"]})


def alerts(settings: Settings) -> list[tuple[str, str]]:
    """Return the alerts that the settings enable, each with its severities."""
    rules = evaluate(ROOT / "prometheus/alerts.jsonnet", json.dumps(as_data(settings)))
    return [(rule["name"].removeprefix("TradingBot"), rule["severity"]) for rule in rules]


def _known(settings: Settings, alert: str | None) -> str | None:
    """Return an alert's name as the settings write it. Raises NotDone."""
    if alert is None:
        return None
    name = alert.removeprefix("TradingBot")
    if name not in settings.alerts or not settings.alerts[name].enabled:
        raise NotDone(f"--alert: {alert} is not an enabled alert; `nightdesk alerts` lists them")
    if name == "Watchdog":
        raise NotDone("--alert: the Watchdog always fires; every drill checks its loop")
    return name


def _bot(settings: Settings, bot: str | None) -> str | None:
    """Return a bot's name. Raises NotDone for an unknown bot."""
    if bot is not None and bot not in settings.bots:
        raise NotDone(f"--bot: {bot} is not in bots; known: {', '.join(sorted(settings.bots)) or 'none yet'}")
    return bot


def _show(data: Path, as_json: bool) -> int:
    kept = report.last(data)
    if kept is None:
        raise NotDone(f"no drill is kept in {data}; `nightdesk drill --all` runs one")
    if as_json:
        show_json(kept)
    else:
        say("\n".join(report.lines(kept)))
    return 1 if kept["faults"] else 0


def serve(
    settings: Settings,
    data: Path,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Announce and drill all alerts at each planned time, for ever. Raises NotDone without a schedule."""
    planned = settings.drill.schedule
    if planned is None:
        raise NotDone("drill.schedule: is not set, so no drill is planned")
    while True:
        due = schedule.next_due(planned, settings.timezone, now())
        _sleep_until(due - timedelta(seconds=float(settings.drill.announce)), now, sleep)
        schedule.announce(settings, due)
        _sleep_until(due, now, sleep)
        try:
            result = run(
                settings, DrillRequest(gap=float(settings.drill.gap)), lambda text: print(text, flush=True)
            )
            report.keep(data, result)
        except Exception:  # a drill that fails by a defect must not end the next one
            log.exception("a drill was ended by a defect")
            schedule.tell_failure(settings)
            continue
        print("\n".join(report.lines(report.as_data(result))), flush=True)
        if result.faults:
            schedule.tell_faults(settings, result)


def _sleep_until(at: datetime, now: Callable[[], datetime], sleep: Callable[[float], None]) -> None:
    while (left := (at - now()).total_seconds()) > 0:
        sleep(min(left, 60.0))  # in short sleeps, because someone may set the clock
