"""The requirements for the witness: it finds each kind of difference in time, and none in a good account."""

from dataclasses import dataclass
from random import Random

from exporter.witness.compare import Kind
from tests.venue.desk import SETTLE, Desk
from tests.venue.planted import OF_POSITIONS_ONLY, PLANTS, plant

WITHIN = 60.0
_DAY = 86_400.0


@dataclass(frozen=True)
class Found:
    """The seconds until a kind was found, over some seeds; `missed` are the seeds where it was late."""

    kind: Kind
    seconds: tuple[float, ...]
    missed: tuple[int, ...]


def find(kind: Kind, seeds: range, settle: float = SETTLE) -> Found:
    seconds, missed = [], []
    for seed in seeds:
        desk = Desk(2 * seed + 1 if kind in OF_POSITIONS_ONLY else seed, 1 + seed % 4, gap=900, settle=settle)
        desk.run(1800.0 + seed)
        before = dict(desk.found)
        at = plant(desk, kind)
        desk.run(at + WITHIN)
        found = {each.kind for each in desk.witness.differences}
        if kind in found and kind not in before:
            seconds.append(desk.found[kind] - at)
        else:
            missed.append(seed)
    return Found(kind, tuple(seconds), tuple(missed))


def sizes(bots: int) -> list[int]:
    """Return the number of bots of each account: one to four."""
    found: list[int] = []
    while bots > sum(found):
        found.append(min(bots - sum(found), 1 + len(found) % 4))
    return found


def account(seed: int, bots: int, days: float, settle: float) -> Desk:
    """Return an account whose bots are quick or slow, with outages of the exchange and of bots."""
    random = Random(seed)
    outages = _spans(random, days, per_day=2, longest=1200)
    desk = Desk(seed, bots, random.choice((45.0, 200.0, 600.0, 1800.0)), settle, outages)
    for trader in desk.traders:
        trader.down = _spans(random, days, per_day=1, longest=1800)
    return desk


def _spans(random: Random, days: float, per_day: float, longest: float) -> list[tuple[float, float]]:
    starts = sorted(random.uniform(60, days * _DAY) for _ in range(max(1, round(per_day * days))))
    return [(start, start + random.uniform(20, longest)) for start in starts]


@dataclass(frozen=True)
class Quiet:
    """The differences reported for a good account; `told` should be empty."""

    looks: int
    fills: int
    outages: int
    downs: int
    told: tuple[Kind, ...]


def quiet(seed: int, bots: int, days: float, settle: float = SETTLE) -> Quiet:
    desk = account(seed, bots, days, settle)
    desk.run(days * _DAY)
    downs = sum(len(trader.down) for trader in desk.traders)
    return Quiet(desk.looks, desk.engine.filled, len(desk.outages), downs, tuple(desk.found))


def table(found: list[Found], seeds: int) -> str:
    lines = ["| difference | found within 60 s | median | slowest |", "|---|---|---|---|"]
    for each in found:
        times = sorted(each.seconds)
        middle, slowest = (f"{times[len(times) // 2]:.0f} s", f"{times[-1]:.0f} s") if times else ("–", "–")
        lines.append(f"| {each.kind} | {len(times)} of {seeds} | {middle} | {slowest} |")
    return "\n".join(lines)


KINDS = tuple(PLANTS)
