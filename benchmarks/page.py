"""The speed and the size of the on-call page while thousands of incidents are open.

`PYTHONPATH=. python benchmarks/page.py` opens 2,000 incidents on one engine with the defaults, and loads the
page again and again as its script does. The peer is an Alertmanager with the same alerts and the requests of
its own page.
"""

import statistics
import time

import requests

from benchmarks.alerts import alertmanager, alerts, chaos_stack, give, rate, row, told

OPEN, LOADS = 2_000, 40
ALWAYS = {"routing": {"maintenance": [{"from": "00:00", "to": "00:00"}]}}


def main() -> None:
    """Measure, and print each line of the table as soon as it is known."""
    row("", "measured", "wanted", "ratio")
    given = alerts()[:OPEN]
    with chaos_stack([f"bot{n:03}" for n in range(200)], ALWAYS) as (_, run):
        rate(given, lambda batch: run.post(0, "/api/v1/alerts", batch, "receive").raise_for_status())
        base = f"http://127.0.0.1:{run.ports[0]}"
        person = requests.Session()
        form = {"name": "anna", "secret": "act-secret", "next": "/"}
        person.post(f"{base}/login", data=form, timeout=20).raise_for_status()
        took, sent = load(person, f"{base}/")
        told(f"the page with {OPEN} open incidents, median ms", took * 1000, 150)
        told("what a refresh of it sends, KB", sent / 1000, 100)
    with alertmanager() as url:
        rate(given, lambda batch: give(url, batch))
        peer, weighs = load(requests.Session(), f"{url}/api/v2/alerts/groups?active=true")
        told("the same alerts from Alertmanager, median ms", peer * 1000, took * 1000)
        told("what that sends, KB", weighs / 1000, sent / 1000)


def load(person: requests.Session, url: str) -> tuple[float, float]:
    """Return the median seconds of an answer, and its median bytes on the wire."""
    seconds, sizes = [], []
    for _ in range(LOADS):
        began = time.perf_counter()
        with person.get(url, timeout=20, stream=True, headers={"Accept-Encoding": "gzip"}) as answer:
            answer.raise_for_status()
            sizes.append(len(answer.raw.read(decode_content=False)))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), statistics.median(sizes)


if __name__ == "__main__":
    main()
