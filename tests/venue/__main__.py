"""Prints the results of the witness: `python -m tests.venue --seeds 100 --bots 100 --days 7`."""

import argparse
from concurrent.futures import ProcessPoolExecutor

from tests.venue.bars import KINDS, Found, find, quiet, sizes, table
from tests.venue.desk import SETTLE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--days", type=float, default=7.0)
    parser.add_argument("--settle", type=float, default=SETTLE, help="0 shows what it is for")
    given = parser.parse_args()
    seeds = range(1, given.seeds + 1)
    with ProcessPoolExecutor(2) as pool:
        found: list[Found] = list(pool.map(find, KINDS, [seeds] * len(KINDS), [given.settle] * len(KINDS)))
        print(table(found, given.seeds), flush=True)
        accounts = list(enumerate(sizes(given.bots)))
        running = [pool.submit(quiet, *each, given.days, given.settle) for each in accounts]
        parts = [each.result() for each in running]
    false = sum(len(each.told) for each in parts)
    print(
        f"\n{given.bots} bots in {len(accounts)} accounts for {given.days:g} days: "
        f"{sum(each.looks for each in parts)} looks, {sum(each.fills for each in parts)} fills, "
        f"{sum(each.outages for each in parts)} outages of an exchange, "
        f"{sum(each.downs for each in parts)} of a bot, {false} false alarms"
    )
    for each in parts:
        if each.told:
            print("  ", *each.told)


if __name__ == "__main__":
    main()
