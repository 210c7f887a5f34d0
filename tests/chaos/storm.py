"""The storm: thousands of alerts in bursts, each webhook twice, while engines, database and bots fail."""

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import requests

from tests.chaos.fleet import Fleet, wait
from tests.chaos.listeners import Mailbox, Receiver
from tests.chaos.processes import ChaosStack, alert

_EACH = {  # alerts of one bot, by kind: fifty in all
    "Down": 1,
    "CriticalLoss": 1,
    "HighDrawdown": 1,
    "LossLimit": 1,
    "ApiErrorRate": 12,
    "HighLatency": 12,
    "RiskUtilizationHigh": 10,
    "DataStale": 11,
    "LowPredictionConfidence": 1,
}
_WEBHOOK = 100  # alerts in one webhook
_BURSTS = 10
_MONEY = ["close_all_positions", "close_positions", "close_risky_positions", "reduce_position_sizes"]
_NOTICED = 5.0  # seconds for a scrape, an evaluation, and a reserve
_FROZEN = 8.0  # seconds: four times as long as an engine may be silent, and twice a message's lease


@dataclass(frozen=True)
class Storm:
    """The strength of a storm."""

    alerts: int
    bots: int
    kills: int
    engines: int
    seed: int
    outages: int = 2  # of PostgreSQL
    freezes: int = 0


@dataclass(frozen=True)
class Finding:
    """A line of the table: a count, and whether it is as promised; None without a promise."""

    what: str
    count: str
    kept: bool | None = None


def rage(storm: Storm, until: float) -> list[Finding]:
    """Run a storm over the engines, wait for its end until a time limit, and return the counts."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        sky = _StormStack(storm, Path(directory))
        try:
            sky.pass_over(until)
            return sky.judge()
        finally:
            sky.close()


class _StormStack:
    def __init__(self, storm: Storm, directory: Path) -> None:
        self.storm = storm
        self.random = random.Random(storm.seed)
        self.fleet = Fleet([f"bot{n:03}" for n in range(storm.bots)], storm.seed, failing=1 / 3)
        for bot in self.fleet.bots.values():
            bot.comes_back = self.random.random() < 0.8
        self.mailbox, self.receiver = Mailbox(), Receiver()
        self.stage = ChaosStack(
            directory, self.fleet, storm.engines, pace="2s", **_settings(self.mailbox, self.receiver)
        )
        self.accepted: set[str] = set()  # fingerprints in webhooks that got a 200
        self.sent = self.refused = self.acknowledged = 0
        self.done = Counter[str]()  # kills, outages, freezes
        self.seconds = 0.0
        self.over = threading.Event()  # set at an early end: no engine is left to deliver to

    def pass_over(self, until: float) -> None:
        """Deliver everything while parts fail, then wait for the end of every incident."""
        began = time.monotonic()
        self.stage.start_all()
        still = threading.Event()
        with ThreadPoolExecutor(2) as others:
            bursts = others.submit(self._bursts)
            answers = others.submit(self._acknowledge, still)
            try:
                self._fail()  # in this thread: a process ends with the thread that started it
                bursts.result()
            finally:
                still.set()
                self.over.set()
            answers.result()
        while time.monotonic() < until and self._unfinished():
            for number in range(self.storm.engines):
                self.stage.revive(number)
            wait(1)
        self.seconds = time.monotonic() - began

    def _bursts(self) -> None:
        alerts = iter(self._alerts())
        while burst := list(islice(alerts, self.storm.alerts // _BURSTS)):
            self._burst(burst)

    def _alerts(self) -> Iterator[tuple[str, str, str]]:
        every = [
            (name, kind, f"{kind}{n}")
            for name in self.fleet.bots
            for kind, count in _EACH.items()
            for n in range(count)
        ]
        self.random.shuffle(every)
        return islice(every, self.storm.alerts)

    def _burst(self, burst: list[tuple[str, str, str]]) -> None:
        for name, kind, symbol in burst:
            self.fleet.strike(name, kind, symbol)
        wait(_NOTICED)
        hooks = [[alert(*one) for one in burst[at : at + _WEBHOOK]] for at in range(0, len(burst), _WEBHOOK)]
        with ThreadPoolExecutor(4) as senders:
            for hook in hooks:
                senders.submit(self._deliver, hook)
                senders.submit(self._deliver, hook)

    def _deliver(self, alerts: list[dict[str, Any]]) -> None:
        """Deliver a webhook as Alertmanager does: until an engine accepts it."""
        while not self.over.is_set():
            number = self.random.randrange(self.storm.engines)
            try:
                answer = self.stage.post(
                    number, "/api/v1/alerts", {"version": "4", "alerts": alerts}, "receive"
                )
                if answer.ok:
                    break
                assert answer.status_code == 503, answer.text
            except requests.RequestException:
                pass
            self.refused += 1
            wait(0.3)
        else:
            return
        self.sent += 1
        self.accepted.update(each["fingerprint"] for each in alerts)

    def _fail(self) -> None:
        """Kill engines at random; stop PostgreSQL, and freeze an engine, in between."""
        between = max(self.storm.kills // (self.storm.outages + 1), 1)
        for kill in range(1, self.storm.kills + 1):
            wait(self.random.uniform(1, 4))
            number = self.random.randrange(self.storm.engines)
            self.stage.kill(number)
            self.done["kills"] += 1
            self.stage.start(number)
            if kill % between == 0 and self.done["outages"] < self.storm.outages:
                self.stage.stop_postgres()
                self.done["outages"] += 1
                wait(3)
                self.stage.start_postgres()
                for each in range(self.storm.engines):
                    self.stage.revive(each)
            if self.done["freezes"] < self.storm.freezes:
                frozen = self.random.randrange(self.storm.engines)
                self.stage.freeze(frozen)
                self.done["freezes"] += 1
                wait(_FROZEN)
                self.stage.thaw(frozen)

    def _acknowledge(self, still: threading.Event) -> None:
        """Acknowledge some of the open incidents, as a person would."""
        while not still.wait(2):
            try:
                found = self.stage.rows(
                    "SELECT id FROM incidents WHERE closed_at IS NULL AND NOT EXISTS "
                    "(SELECT FROM acknowledgements WHERE incident = incidents.id) ORDER BY random() LIMIT 5"
                )
                for (incident,) in found:
                    number = self.random.randrange(self.storm.engines)
                    path = f"/api/v1/incidents/{incident}/acknowledge"
                    self.acknowledged += self.stage.post(number, path, {}, "act").ok
            except (psycopg.Error, requests.RequestException):
                continue

    def _unfinished(self) -> int:
        return int(self.stage.rows(f"SELECT count(*) FROM incidents i WHERE NOT ({_ENDED})")[0][0])  # noqa: S608

    def judge(self) -> list[Finding]:
        """Compare the bots' and recipients' counts with the engine's database."""
        return [*self._about_weather(), *self._about_incidents(), *self._about_money(), *self._about_words()]

    def _about_weather(self) -> list[Finding]:
        failed = sum(self.fleet.failed.values())
        return [
            Finding("seconds from the first alert to the last end", f"{self.seconds:.0f}"),
            Finding("engines; killed with -9; frozen; ended by themselves", f"{self.storm.engines}; "
                    f"{self.done['kills']}; {self.done['freezes']}; {self.stage.exits}"),
            Finding("PostgreSQL stopped and started", str(self.done["outages"])),
            Finding("webhooks taken; tries that were not", f"{self.sent}; {self.refused}"),
            Finding("orders that reached bots; calls failed by them", f"{self.fleet.calls()}; {failed}"),
        ]  # fmt: skip

    def _about_incidents(self) -> list[Finding]:
        rows = self.stage.rows("SELECT fingerprint, count(*) FROM incidents GROUP BY 1")
        known = {fingerprint for fingerprint, _ in rows}
        [(verified, escalated, acknowledged, closed, left, ended, total)] = self.stage.rows(
            f"SELECT {', '.join(f'count(*) FILTER (WHERE {end})' for end in (*_ENDS, _ENDED))}, count(*) "  # noqa: S608
            "FROM incidents i"
        )
        lost, doubled = len(self.accepted - known), total - len(known)
        return [
            Finding("alerts accepted", str(len(self.accepted)), len(self.accepted) == self.storm.alerts),
            Finding("incidents lost", str(lost), lost == 0),
            Finding("incidents doubled", str(doubled), doubled == 0),
            Finding(
                "incidents verified; escalated; acknowledged; closed by a sample; left to what is stronger",
                f"{verified}; {escalated}; {acknowledged}; {closed}; {left}",
            ),
            Finding("incidents with none of these ends", str(total - ended), total == ended),
            Finding(
                "acknowledgements answered with 200 that are not written",
                str(max(self.acknowledged - acknowledged, 0)),
                self.acknowledged <= acknowledged,
            ),
        ]

    def _about_money(self) -> list[Finding]:
        """Compare what bots hold with the targets that the engine stored before the first order."""
        lowest: dict[str, float] = {}
        for bot, target in self.stage.rows(
            "SELECT bot, target FROM runs WHERE target->>'positions' IS NOT NULL"
        ):
            sizes = (target["others"], *target["positions"].values())
            lowest[bot] = min(lowest.get(bot, 1.0), *(1.0 if size is None else size for size in sizes))
        below = {
            name: bot.sizes
            for name, bot in self.fleet.bots.items()
            if min(bot.sizes.get(symbol, 0.0) for symbol in ("S0", "S1", "S2"))
            < lowest.get(name, 1.0) * 0.999
        }
        orders = {"close_positions": Counter[str](), "reduce_positions": Counter[str]()}
        unkeyed = 0
        for bot in self.fleet.bots.values():
            for (verb, key), count in bot.received.items():
                if verb in orders:
                    orders[verb].update(received=count, executed=bot.executed[verb, key])
                    unkeyed += verb == "reduce_positions" and key is None
        told = [f"{one['received']}, {one['executed']}" for one in orders.values()]
        return [
            Finding("closes that bots received, carried out; reductions", "; ".join(told)),
            Finding("bots that hold less than their lowest target", str(len(below)), not below),
            Finding("reductions without an idempotency key", str(unkeyed), unkeyed == 0),
        ]

    def _about_words(self) -> list[Finding]:
        """Count the messages that arrived twice, and those that no crash explains."""
        again = set(
            self.stage.rows(
                "SELECT incident, contact FROM deliveries WHERE step IS NOT NULL AND interrupted > 0"
            )
        )
        ids = {
            id_
            for (id_,) in self.stage.rows("SELECT id FROM deliveries WHERE interrupted > 0 AND step IS NULL")
        }
        sent = self.stage.rows(
            "SELECT DISTINCT incident FROM deliveries WHERE state = 'sent' AND step IS NOT NULL"
        )
        # People are notified again of a lasting fault, each time by another step.
        steps = Counter(self.stage.rows("SELECT incident, contact FROM deliveries WHERE step IS NOT NULL"))
        mailed = {told for told, count in self.mailbox.told.items() if count > steps[told]}
        hooked = {id_ for id_, count in self.receiver.ids.items() if count > 1}
        unexplained = len(mailed - again) + len(hooked - ids)
        told = {incident for incident, _ in self.mailbox.told}
        missing = [incident for (incident,) in sent if incident not in told]
        return [
            Finding(
                "mails; incidents told in them; webhooks out",
                f"{self.mailbox.mails}; {len(told)}; {len(self.receiver.ids)}",
                len(told) > 0,
            ),
            Finding("incidents written as told that no mail told of", str(len(missing)), not missing),
            Finding(
                "told twice since a crash came between sending and writing",
                f"{len(mailed & again)} by mail, {len(hooked & ids)} by webhook",
            ),
            Finding("told twice for no such reason", str(unexplained), unexplained == 0),
        ]

    def close(self) -> None:
        self.stage.close()
        self.fleet.close()
        self.mailbox.close()
        self.receiver.close()


_ENDS = (  # verified, escalated, acknowledged, closed by a good sample, or left to a stronger target
    "EXISTS (SELECT FROM runs WHERE incident = i.id AND verdict = 'verified')",
    "escalated_at IS NOT NULL",
    "EXISTS (SELECT FROM acknowledgements WHERE incident = i.id)",
    "closed_at IS NOT NULL",
    "coalesce(waits_for, '') ~ ' waits for .* of incident '",
)
_ENDED = " OR ".join(_ENDS)


def _settings(mailbox: Mailbox, receiver: Receiver) -> dict[str, Any]:
    """Return settings in which every action may run, and people are notified at once or not at all."""
    email = {"enabled": True, "host": "127.0.0.1", "port": mailbox.port, "starttls": False, "timeout": "2s"}
    patience = {"escalate": "7d"}
    quick = {name: {"timeout": "2s"} for name in ("telegram", "sms", "phone", "slack", "grafana")}
    endpoint = {"name": "events", "url": receiver.url, "secret_file": "webhook_secret"}
    return {
        # If minutes were seconds, most of the work would be to compare alerts and to check proofs.
        # The most workers that settings allow: half of the bots hang for a while after each order.
        "webhook_actions": {"reconcile_interval": "10m", "workers": 64},
        "collection": {name: {"interval": "2m"} for name in ("trading", "model", "market", "system", "logs")},
        "alerts": dict.fromkeys(_EACH, patience),
        "contacts": {"administrator": {"email": ["admin@example.org"]}},
        "escalation": {"levels": [], "delivery": {"retries": 10, "pause": "30s"}},
        "channels": quick
        | {
            "email": email | {"from": "desk@example.org", "to": ["owner@example.org"]},
            "webhooks": {"timeout": "2s", "endpoints": [endpoint | {"events": ["trading_events"]}]},
        },
        "actions": {
            "armed": _MONEY,
            "fleet": {"bots": 1000, "ratio": 1.0},  # another scenario tests the limit
            "restart": {"wait": "0s", "boot": "2s"},
            "verify_within": "10m",
            "attempts_window": "1d",
        },
    }
