"""Scenes, each about one promise; the bots, not the engine, count what happened."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.chaos.fleet import Fleet, wait
from tests.chaos.processes import SPEED, ChaosStack, alert
from tests.chaos.storm import Finding
from tests.conftest import eventually

_NOBODY = {"escalation": {"levels": []}}
_QUICK = {"restart": {"wait": "0s", "boot": "2s"}, "verify_within": "3m"}
_FLAPS = 30  # an hour: a minute up, a minute down


def play() -> list[Finding]:
    """Play every scene and return its counts."""
    return [scene() for scene in _SCENES]


@contextmanager
def _chaos_stack(*names: str, **settings: Any) -> Iterator[tuple[Fleet, ChaosStack]]:
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        fleet = Fleet(list(names), seed=1)
        chaos_stack = ChaosStack(Path(directory), fleet, 1, **({"actions": _QUICK} | _NOBODY | settings))
        try:
            chaos_stack.start_all()
            yield fleet, chaos_stack
        finally:
            chaos_stack.close()
            fleet.close()


def _deliver(chaos_stack: ChaosStack, *alerts: dict[str, Any]) -> None:
    assert chaos_stack.post(0, "/api/v1/alerts", {"version": "4", "alerts": alerts}, "receive").ok


def _goes_down(fleet: Fleet, chaos_stack: ChaosStack, name: str) -> None:
    fleet.strike(name, "Down", "-")
    eventually(lambda: chaos_stack.firing() > 0, what="the alert")
    _deliver(chaos_stack, alert(name, "Down", "-"))


def _open(chaos_stack: ChaosStack) -> int:
    return int(chaos_stack.rows("SELECT count(*) FROM incidents WHERE closed_at IS NULL")[0][0])


def _resolved(name: str, kind: str, **changes: Any) -> dict[str, Any]:
    return alert(name, kind, "-", status="resolved", **({"endsAt": datetime.now(UTC).isoformat()} | changes))


def _flapping() -> Finding:
    """A bot goes up and down for an hour; here the hour lasts a minute."""
    with _chaos_stack("alpha") as (fleet, chaos_stack):
        for _ in range(_FLAPS):
            fleet.strike("alpha", "Down", "-")
            _deliver(chaos_stack, alert("alpha", "Down", "-"))
            wait(3600 / SPEED / _FLAPS / 2)
            fleet.calm("alpha")
            _deliver(chaos_stack, _resolved("alpha", "Down"))
            wait(3600 / SPEED / _FLAPS / 2)
        restarts = fleet.bots["alpha"].did("restart")
    said = f"a bot that goes down {_FLAPS} times in an hour is restarted at most three times"
    return Finding(said, f"{restarts} restarts", 0 < restarts <= 3)


def _halted() -> Finding:
    """Someone else starts a bot that Nightdesk closed."""
    armed = {"actions": _QUICK | {"armed": ["close_all_positions"]}}
    with _chaos_stack("alpha", **armed) as (fleet, chaos_stack):
        bot = fleet.bots["alpha"]
        fleet.strike("alpha", "CriticalLoss", "-")
        eventually(lambda: chaos_stack.firing() > 0, what="the alert")
        _deliver(chaos_stack, alert("alpha", "CriticalLoss", "-"))
        eventually(lambda: bot.did("close_positions") and bot.paused, what="the close")
        closed = bot.did("close_positions")
        for _ in range(3):
            bot.paused = False  # like a start
            eventually(lambda: bot.paused, within=30, what="the pause")
        _goes_down(fleet, chaos_stack, "alpha")
        eventually(lambda: bot.did("restart") and bot.up and bot.paused, within=30, what="a paused restart")
        paused = bot.paused
    said = "a restart after a close leaves it halted; so does a start by hand, three times"
    return Finding(said, f"closed {closed} time, paused: {'yes' if paused else 'no'}", paused and closed == 1)


def _silenced() -> Finding:
    """An alert ends while Alertmanager has it silenced."""
    with _chaos_stack("alpha") as (fleet, chaos_stack):
        fleet.bots["alpha"].comes_back = False
        _goes_down(fleet, chaos_stack, "alpha")
        eventually(lambda: fleet.bots["alpha"].did("restart"), what="a restart")
        fleet.calm("alpha")
        eventually(lambda: not _open(chaos_stack), within=60, what="the close")
        words = chaos_stack.rows("SELECT count(*) FROM timeline WHERE kind = 'resolved'")[0][0]
        left = _open(chaos_stack)
    said = "an alert that ends while silenced closes its incident"
    return Finding(said, f"{left} open, {words} words of Alertmanager", left == 0 and words == 0)


def _wrong_password() -> Finding:
    """The bot refuses the exporter's password."""
    with _chaos_stack("alpha") as (fleet, chaos_stack):
        fleet.bots["alpha"].error = "auth"
        _goes_down(fleet, chaos_stack, "alpha")
        eventually(
            lambda: chaos_stack.rows("SELECT FROM incidents WHERE handed_over_at IS NOT NULL"), what="the end"
        )
        orders = fleet.calls()
    return Finding("a wrong password restarts nothing", f"{orders} orders to the bot", orders == 0)


def _forty_down() -> Finding:
    """Forty bots go down at once."""
    names = [f"bot{n:02}" for n in range(40)]
    with _chaos_stack(*names) as (fleet, chaos_stack):
        for name in names:
            fleet.strike(name, "Down", "-")
        eventually(lambda: chaos_stack.firing() == len(names), what="forty alerts")
        _deliver(chaos_stack, *(alert(name, "Down", "-") for name in names))
        ended = (
            "SELECT FROM incidents i WHERE handed_over_at IS NOT NULL OR EXISTS "
            "(SELECT FROM runs WHERE incident = i.id AND verdict = 'verified')"
        )
        eventually(lambda: len(chaos_stack.rows(ended)) == len(names), within=60, what="an end for each")
        acted = sum(bool(bot.received) for bot in fleet.bots.values())
        handed = len(chaos_stack.rows("SELECT FROM incidents WHERE escalated_at IS NOT NULL"))
    said = "of forty bots down at once a tenth, the fleet limit, is acted on; the others escalate"
    return Finding(said, f"{acted} acted on, {handed} escalated", acted <= 4 and handed >= 36)


def _moved_start() -> Finding:
    """`resolved` has another start time than `firing`, and then the old `firing` arrives again."""
    with _chaos_stack("alpha", "beta") as (fleet, chaos_stack):
        began = datetime.now(UTC)
        for name in ("alpha", "beta"):
            fleet.bots[name].comes_back = False
            fleet.strike(name, "Down", "-")
        eventually(lambda: chaos_stack.firing() == 2, what="two alerts")
        firing = [alert(name, "Down", "-", startsAt=began.isoformat()) for name in ("alpha", "beta")]
        _deliver(chaos_stack, *firing)
        fleet.calm("alpha")
        moved = (began + timedelta(seconds=2)).isoformat()
        later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
        _deliver(chaos_stack, _resolved("alpha", "Down", startsAt=moved, endsAt=later))
        closed = "SELECT bot FROM incidents WHERE closed_at IS NOT NULL"
        eventually(lambda: chaos_stack.rows(closed), within=60, what="the close")
        _deliver(chaos_stack, firing[0])
        found = [bot for (bot,) in chaos_stack.rows(closed)]
        opened = _open(chaos_stack)
    said = "`resolved` with a moved start closes the right incident, and the late `firing` opens none"
    return Finding(said, f"closed: {', '.join(found)}; {opened} open", found == ["alpha"] and opened == 1)


_SCENES: tuple[Callable[[], Finding], ...] = (
    _flapping,
    _halted,
    _silenced,
    _wrong_password,
    _forty_down,
    _moved_start,
)
