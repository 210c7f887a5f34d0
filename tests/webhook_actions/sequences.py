"""The common part of the tests of sequences: settings, and checks of a scenario."""

from collections.abc import Callable

from tests.webhook_actions.scenario import Scenario

CLOSE = {"armed": ["close_all_positions", "close_positions"]}
REDUCE = {"armed": ["reduce_position_sizes"]}
ALWAYS = {"maintenance": [{"from": "00:00", "to": "00:00"}]}

Play = Callable[..., None]


async def id_of(s: Scenario, bot: str = "alpha", word: str = "CriticalLoss") -> int:
    return (await s.until(lambda: s.incident(bot, word), what="the incident")).id


def flat(s: Scenario, bot: str = "alpha") -> bool:
    return not s.bots[bot].sizes and s.bots[bot].state == "paused"


async def none(s: Scenario, query: str) -> bool:
    return not await s.rows(query)


async def many(s: Scenario, query: str, count: int) -> bool:
    return len(await s.rows(query)) == count


async def at_least(s: Scenario, query: str, count: int) -> bool:
    return len(await s.rows(query)) >= count
