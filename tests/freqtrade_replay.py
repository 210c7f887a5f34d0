"""Serves the recorded Freqtrade as a bot: `python -m tests.freqtrade_replay --port N [--now] [--outage]`."""

import argparse
import base64
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

RECORDINGS = Path(__file__).parent / "fixtures" / "freqtrade"
USER, PASSWORD = "ftuser", "ftpass"
ENDPOINTS = (
    "balance", "count", "daily", "weekly", "monthly", "entries", "exits", "mix_tags", "performance", "stats",
    "health", "locks", "profit", "show_config", "status", "sysinfo", "version", "whitelist",
)  # fmt: skip
# The recorded answer in actions.json for each control call in a state, and the state after it.
CONTROLS = {
    ("start", "running"): ("start when running", "running"),
    ("start", "paused"): ("start from paused", "running"),
    ("start", "stopped"): ("start when stopped", "running"),
    ("stop", "running"): ("stop", "stopped"),
    ("stop", "stopped"): ("stop when stopped", "stopped"),
    ("pause", "running"): ("pause", "paused"),
    ("pause", "stopped"): ("pause when stopped", "paused"),
    ("pause", "paused"): ("pause when paused", "paused"),
    ("reload_config", "running"): ("reload_config", "reload_config"),
    ("reload_config", "paused"): ("reload_config", "reload_config"),
}
# The steps of a reload: the answer, no listener, and the running bot, paused before or not.
RELOAD = ("reload_config", None, "running")
# The calls that a stopped bot refuses; it answers all others.
NEEDS_RUNNING = {"count"}
BUFFER = 1000  # records that Freqtrade's /logs holds
RECORD = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) - (\S+) - ([A-Z]+) - (.*)$")


class Recording:
    """The recorded answers, with times moved to `now` if given; a test may change its attributes.

    `answers` is by endpoint; `broken` maps an endpoint to another status and body;
    `hangs` makes every call wait; without `sorts` it lists trades by id only, as older ones do;
    `outage` repeats the log's exchange outage once a second, as it went on
    in the recorded run; `calls` counts by path, `orders` are the control calls with their bodies, in order;
    `knows_pause` is off for older ones, `refuses_exits` is a pair of which it exits nothing.
    """

    def __init__(self, *, now: bool = False, outage: bool = False) -> None:
        self.answers: dict[str, Any] = {name: _read(f"{name}.json") for name in ENDPOINTS}
        self.trades: list[dict[str, Any]] = _read("trades.json")["trades"]
        self.logs = list(_log_records())
        self.outage = outage
        self.state: str = self.answers["show_config"]["state"]
        self.broken: dict[str, tuple[int, bytes]] = {}
        self.hangs = False
        self.sorts = True
        self.released = threading.Event()
        self.calls: list[str] = []
        self.orders: list[tuple[str, Any]] = []
        self.knows_pause = True
        self.refuses_exits: str | None = None
        self._locks: list[dict[str, Any]] = []
        self._reload: list[str | None] = []
        self._now = now
        self.shift = time.time() - self.answers["health"]["last_process_ts"] if now else 0.0

    def answer(self, endpoint: str, query: dict[str, str]) -> tuple[int, Any]:
        """Return status and JSON as Freqtrade would."""
        if endpoint == "ping":
            return 200, {"status": "pong"}
        if endpoint in NEEDS_RUNNING and self.state == "stopped":
            return 502, {"error": f"Error querying /api/v1/{endpoint}: trader is not running"}
        if endpoint == "trades":
            return 200, self._shifted(self._trades(query))
        if endpoint == "logs":
            records = self._records()[-int(query.get("limit", BUFFER)) :]
            return 200, {"log_count": len(records), "logs": records}
        if endpoint == "show_config":
            return 200, self.answers[endpoint] | {"state": self.state}
        if endpoint == "locks" and self._locks:
            return 200, {"lock_count": len(self._locks), "locks": self._locks}
        if endpoint == "health" and self._now:
            return 200, self._shifted(self.answers[endpoint]) | {"last_process_ts": int(time.time())}
        if endpoint in self.answers:
            return 200, self._shifted(self.answers[endpoint])
        return 404, {"detail": "Not Found"}

    def control(self, verb: str, body: Any = None) -> tuple[int, Any]:
        """Return the recorded answer for a control call in this state, and change to the state after it."""
        self.orders.append((verb, body))
        if verb == "forceexit":
            return self._force_exit(body)
        if verb.startswith("locks"):
            return self._lock(verb, body)
        if (verb, self.state) not in CONTROLS or (verb == "pause" and not self.knows_pause):
            return 404, {"detail": "Not Found"}
        note, self.state = CONTROLS[verb, self.state]
        if verb == "reload_config":
            self._reload = list(RELOAD)
        return recorded(note)

    def listens(self) -> bool:
        """Return whether the bot answers; each call advances a reload by one step."""
        if self._reload:
            now = self._reload.pop(0)
            self.state = now or self.state
            return now is not None
        return True

    def _force_exit(self, body: Any) -> tuple[int, Any]:
        """Exit as recorded. A running bot buys again at once, as the recording shows 10 s later."""
        if not body:
            return recorded("forceexit without a body")
        if self.state == "stopped":
            return recorded("forceexit all when stopped")
        held = self.answers["status"]
        stuck = {"error": "Error querying /api/v1/forceexit: Remaining amount of 4.9 would be too small."}
        if body["tradeid"] == "all":
            if any(trade["pair"] == self.refuses_exits for trade in held):
                return 502, stuck  # it stops at the first failure
            self.answers["status"] = held[:1] if self.state == "running" else []
            return recorded("forceexit all, paused")
        trade = next((each for each in held if str(each["trade_id"]) == body["tradeid"]), None)
        if trade is None:
            return recorded("forceexit, unknown trade")
        if self.refuses_exits == trade["pair"]:
            return 502, stuck
        if 0 < body.get("amount", 0) < trade["amount"]:
            left = 1 - body["amount"] / trade["amount"]
            trade |= {name: trade[name] * left for name in ("amount", "stake_amount")}
            return recorded("forceexit of one")
        held.remove(trade)
        unfilled = "forceexit of one whose entry never filled (it is deleted, yet the answer is 502)"
        return recorded("forceexit of one" if trade["amount"] else unfilled)

    def _lock(self, verb: str, body: Any) -> tuple[int, Any]:
        """Lock every pair, or delete a lock by its id."""
        if verb == "locks":
            lock = recorded("lock everything")[1]["locks"][-1]
            self._locks.append(lock | {"reason": body[0]["reason"], "pair": body[0]["pair"]})
        else:
            number = int(verb.rsplit("/", 1)[1])
            self._locks = [lock for lock in self._locks if lock["id"] != number]
        return 200, {"lock_count": len(self._locks), "locks": self._locks}

    def _trades(self, query: dict[str, str]) -> dict[str, Any]:
        offset, limit = int(query.get("offset", 0)), int(query.get("limit", 500))
        by_id = not self.sorts or query.get("order_by_id", "true") == "true"
        ordered = sorted(
            self.trades, key=lambda trade: trade["trade_id"] if by_id else -(trade["close_timestamp"] or 0)
        )
        page = ordered[offset : offset + limit]
        return {"trades": page, "trades_count": len(page), "offset": offset, "total_trades": len(self.trades)}

    def _records(self) -> list[list[Any]]:
        """Return the last records, the log of an earlier run moved to end with the answers."""
        shift = self.answers["health"]["last_process_ts"] * 1000 + self.shift * 1000 - self.logs[-1][1]
        records = [[when, stamp + shift, *rest] for when, stamp, *rest in self.logs]
        if self.outage:
            failed = [record for record in records if record[2] == "freqtrade.exchange.common"]
            end = time.time() * 1000 if self._now else failed[-1][1]
            seconds = range(BUFFER // len(failed) - 1, -1, -1)
            records += [[w, end - 1000 * ago, *rest] for ago in seconds for w, _, *rest in failed]
        return records[-BUFFER:]

    def _shifted(self, value: Any) -> Any:
        """Return the answer with its timestamps moved: seconds in `_ts`, milliseconds in `_timestamp`."""
        if isinstance(value, list):
            return [self._shifted(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            key: self._moved(key, each)
            if isinstance(each, (int, float)) and key.endswith(("_ts", "_timestamp"))
            else self._shifted(each)
            for key, each in value.items()
        }

    def _moved(self, key: str, value: float) -> float:
        return int(value + self.shift) if key.endswith("_ts") else int(value + self.shift * 1000)


def recorded(note: str) -> tuple[int, Any]:
    """Return status and answer of the recorded control call with this note."""
    found = next(action for action in _read("actions.json") if action["note"] == note)
    return found["status"], found["answer"]


def _read(name: str) -> Any:
    return json.loads((RECORDINGS / name).read_text())


def _log_records() -> Iterator[list[Any]]:
    """Yield the log as /logs gives it: time, milliseconds, logger, level, message with its traceback."""
    record: list[Any] = []
    for line in (RECORDINGS / "freqtrade.log").read_text().splitlines():
        if found := RECORD.match(line):
            if record:
                yield record
            when = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            record = [found[1], when.timestamp() * 1000 + int(found[2]), found[3], found[4], found[5]]
        elif record:
            record[4] += f"\n{line}"
    yield record


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    recording: Recording

    def do_GET(self) -> None:
        """Answer as the recorded bot."""
        url = urlsplit(self.path)
        endpoint = url.path.removeprefix("/api/v1/")
        recording = self.recording
        recording.calls.append(self.path)
        if recording.hangs:
            recording.released.wait()
        if recording.hangs or not recording.listens():
            self.close_connection = True
            return
        if endpoint in recording.broken:
            self._send(*recording.broken[endpoint])
        elif endpoint != "ping" and not self._authorised("access"):
            self._send_json(401, {"detail": "Unauthorized"})
        else:
            query = {key: values[-1] for key, values in parse_qs(url.query).items()}
            self._send_json(*recording.answer(endpoint, query))

    def do_POST(self) -> None:
        """Log in, refresh, start, stop, pause, exit and lock, as recorded."""
        self.recording.calls.append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        endpoint = urlsplit(self.path).path.removeprefix("/api/v1/")
        if endpoint == "token/login":
            allowed = self._authorised("")
            granted = {"access_token": "access", "refresh_token": "refresh"}
            self._send_json(200, granted) if allowed else self._send_json(
                401, {"detail": "Not authenticated"}
            )
        elif endpoint == "token/refresh":
            allowed = self.headers.get("Authorization") == "Bearer refresh"
            refused = {"detail": "Could not validate credentials"}
            self._send_json(200, {"access_token": "access"}) if allowed else self._send_json(401, refused)
        elif not self._authorised("access"):
            self._send_json(401, {"detail": "Unauthorized"})
        else:
            self._send_json(*self.recording.control(endpoint, json.loads(body or b"null")))

    do_DELETE = do_POST  # noqa: N815 - the name that http.server looks for

    def _authorised(self, token: str) -> bool:
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        given = self.headers.get("Authorization", "")
        return given == f"Basic {basic}" or (bool(token) and given == f"Bearer {token}")

    def _send_json(self, status: int, data: Any) -> None:
        self._send(status, json.dumps(data).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: `Recording.calls` has the calls."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # the default of 5 drops connections when all calls to a bot arrive together

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing about a client that closed its connection after another call failed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve(recording: Recording, port: int = 0) -> Iterator[str]:
    """Serve the recording on loopback while in the block; gives its URL."""
    server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"recording": recording}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        recording.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--now", action="store_true", help="move all recorded times to now")
    parser.add_argument("--outage", action="store_true", help="let the log's exchange outage go on")
    arguments = parser.parse_args()
    with serve(Recording(now=arguments.now, outage=arguments.outage), arguments.port) as url:
        print(f"Freqtrade's recordings on {url}, user {USER}, password {PASSWORD}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
