"""Sends what a Python bot does to the exporter. It needs only this file and the standard library.

    bot = Bot("http://127.0.0.1:8000", "my_bot", token_file="secrets/my_bot_token")
    bot.state(state="running", starting_capital=1000.0, profit_realised=realised(), profit_open=unrealised(),
              equity=1000.0 + realised() + unrealised(), open_positions=[{"symbol": "BTC/USDT"}])
    bot.trade(id=7, symbol="BTC/USDT", side="long", opened_at=opened, closed_at=closed, profit=12.5)
    with bot.api_call():
        ticker = exchange.fetch_ticker("BTC/USDT")
    with bot.prediction("entry") as prediction:
        prediction.confidence = model.predict(ticker)

No call raises or waits: a thread sends. While the exporter is away, the client keeps up to `buffer` trades.
When there are more, it drops the oldest and counts them in `dropped`. Of everything else it keeps only the
latest value.
"""

import functools
import json
import logging
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
import weakref
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

_log = logging.getLogger(__name__)
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, as Prometheus' clients
_BATCH = 500  # trades of one push
_LONGEST_PAUSE = 60.0  # seconds between two tries
# The same push may succeed later: the token may be written, the exporter may get to know the bot, …
_WORTH_A_RETRY = frozenset({401, 403, 404, 408, 429})
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def _harmless(method: Callable[_Given, _Result]) -> Callable[_Given, _Result | None]:
    """Return the method so that it never raises: the bot's trading is worth more than its metrics."""

    @functools.wraps(method)
    def call(*given: _Given.args, **named: _Given.kwargs) -> _Result | None:
        try:
            return method(*given, **named)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the bot
            _log.warning("%s was not sent: %s: %s", method.__name__, type(error).__name__, error)
            return None

    return call


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: the token is meant for one address only."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect: the answer is an error that names the redirect's target."""


# It uses no proxy: a proxy that a bot has for its exchange does not lead to the exporter.
def _opener(ca_file: str | os.PathLike[str] | None) -> urllib.request.OpenerDirector:
    trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect, trust)


class _Times:
    """Durations as a histogram since the start."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self._sum += seconds

    def told(self) -> dict[str, object]:
        """Return the histogram as the bot API writes it, with cumulative counts."""
        total, buckets = 0, {}
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            buckets[bound] = total
        return {"count": total, "sum": self._sum, "buckets": buckets}


class Prediction:
    """A prediction in progress. The bot may set its `confidence` and `uncertainty`, both ratios."""

    confidence: float | None = None
    uncertainty: float | None = None


class Bot:
    """One bot, whose state goes to one exporter every `interval` seconds. docs/bot-api.md has the fields.

    `ca_file` is the authority of an exporter with a private certificate. Its thread starts at the first call,
    and again in the child of a fork. `close`, or the end of a `with` block, sends the rest.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        interval: float = 10.0,
        timeout: float = 5.0,
        buffer: int = 10_000,
    ) -> None:
        self.dropped = 0
        self.refused = 0
        self.last_error: str | None = None
        self._address = f"{str(url).rstrip('/')}/api/v1/bots/{quote(str(name), safe='')}"
        self._token, self._token_file = token, token_file
        self._ca_file = ca_file
        self._opener: urllib.request.OpenerDirector | None = None
        self._interval, self._timeout, self._buffer = interval, timeout, buffer
        self._started_at = time.time()
        self._forget()
        _BOTS.add(self)

    def _forget(self) -> None:
        """Begin with no data and no thread: at the start, and in the child of a fork."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._trades: deque[dict[str, Any]] = deque()
        self._state: dict[str, Any] | None = None
        self._figures: dict[str, dict[str, Any]] = {"models": {}, "market": {}, "feeds": {}}
        self._calls, self._failed = _Times(), 0
        self._predictions: dict[str, _Times] = {}
        self._measured = False
        self._closing = threading.Event()

    @_harmless
    def state(self, **fields: Any) -> None:  # noqa: ANN401 - whatever the bot API has, and numbers of any library
        """Send the bot's state. Call it in each pass of the trading loop."""
        now = time.time()
        said = {"last_activity_at": now, "started_at": self._started_at, "process": {"pid": os.getpid()}}
        copied = _copied(said | fields)
        self._tell(lambda: setattr(self, "_state", copied))

    @_harmless
    def trade(self, **fields: Any) -> None:  # noqa: ANN401 - as above
        """Send a closed trade: id, symbol, side, opened_at, closed_at, profit, and if possible stake.

        With size, entry_price, entry_price_requested, exit_price and exit_price_requested it tells slippage.
        Tell it again whole with corrected_at, a unix time, where it turned out otherwise.
        """
        copied = _copied(fields)
        self._tell(lambda: self._keep(copied))

    @_harmless
    def model(self, name: str, **fields: Any) -> None:  # noqa: ANN401 - as above
        """Send figures of a model: accuracy, drift_score, …; earlier figures stay."""
        copied = _copied(fields)
        self._tell(lambda: self._figures["models"].setdefault(name, {}).update(copied))

    @_harmless
    def market(self, symbol: str, **fields: Any) -> None:  # noqa: ANN401 - as above
        """Send figures of a market: rsi, volatility_ratio, …; earlier figures stay."""
        copied = _copied(fields)
        self._tell(lambda: self._figures["market"].setdefault(symbol, {}).update(copied))

    @_harmless
    def feed(self, name: str, received_at: float | None = None) -> None:
        """Report that market data arrived: now, or at a unix time."""
        at = time.time() if received_at is None else received_at
        self._tell(lambda: self._figures["feeds"].update({name: at}))

    @contextmanager
    def api_call(self) -> Iterator[None]:
        """Time a call to the exchange. A call that raises counts as failed; the bot gets its exception."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self._called(time.monotonic() - began, failed=True)
            raise
        self._called(time.monotonic() - began, failed=False)

    @contextmanager
    def prediction(self, model: str) -> Iterator[Prediction]:
        """Time a prediction. A prediction that raises does not count; the bot gets its exception."""
        began, made = time.monotonic(), Prediction()
        yield made
        self._predicted(model, time.monotonic() - began, made)

    @_harmless
    def _called(self, seconds: float, *, failed: bool) -> None:
        with self._lock:
            self._failed += failed
        self._tell(lambda: self._calls.add(seconds))

    @_harmless
    def _predicted(self, model: str, seconds: float, made: Prediction) -> None:
        said = {"prediction_seconds": seconds, "last_prediction_at": time.time()}
        rated = {"prediction_confidence": made.confidence, "prediction_uncertainty": made.uncertainty}
        said |= {name: float(rate) for name, rate in rated.items() if rate is not None}

        def add() -> None:
            self._predictions.setdefault(model, _Times()).add(seconds)
            self._figures["models"].setdefault(model, {}).update(said)

        self._tell(add)

    def close(self, timeout: float = 5.0) -> None:
        """Send the rest within `timeout` seconds, and end the thread."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def __enter__(self) -> "Bot":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, change: Callable[[], object]) -> None:
        """Change the data to be sent, and start this process's thread if it has none."""
        with self._lock:
            change()
            self._measured = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nightdesk", daemon=True)
                self._thread.start()

    def _keep(self, trade: dict[str, Any]) -> None:
        self._trades.append(trade)
        while len(self._trades) > self._buffer:
            self._trades.popleft()
            self.dropped += 1

    def _run(self) -> None:
        pause, last = self._interval, False
        while not last:
            last = self._closing.wait(pause)
            sent = self._send_all()
            pause = self._interval if sent else min(pause * 2, max(_LONGEST_PAUSE, self._interval))

    def _send_all(self) -> bool:
        """Send everything that waits; return whether the exporter accepted it."""
        try:
            return self._send_trades() and self._send_figures() and self._send_state()
        except Exception as error:  # noqa: BLE001 - the thread must outlive every defect
            self._failed_with(f"{type(error).__name__}: {error}")
            return False

    def _send_trades(self) -> bool:
        while True:
            with self._lock:
                batch = [self._trades[place] for place in range(min(_BATCH, len(self._trades)))]
            if not batch:
                return True
            if not self._post("trades", {"trades": batch}):
                return False
            with self._lock:
                # A full buffer may have dropped the oldest meanwhile.
                for trade in batch:
                    if self._trades and self._trades[0] is trade:
                        self._trades.popleft()

    def _send_figures(self) -> bool:
        with self._lock:
            if not self._measured:
                return True
            models = {name: dict(figures) for name, figures in self._figures["models"].items()}
            for name, times in self._predictions.items():
                models.setdefault(name, {})["prediction_times"] = times.told()
            body: dict[str, object] = {
                "models": models,
                "market": {name: dict(figures) for name, figures in self._figures["market"].items()},
                "feeds": dict(self._figures["feeds"]),
            }
            calls = self._calls.told()
            if calls["count"]:
                ok = int(str(calls["count"])) - self._failed
                body["api"] = {
                    "requests_ok_total": ok,
                    "requests_error_total": self._failed,
                    "response_seconds": calls,
                }
        return self._post("metrics", {name: told for name, told in body.items() if told})

    def _send_state(self) -> bool:
        with self._lock:
            state = self._state
        return state is None or self._post("state", {"time": time.time()} | state)

    def _post(self, kind: str, body: object) -> bool:
        """Push; return whether the exporter gave a final answer: it accepted or refused the push."""
        try:
            request = urllib.request.Request(  # noqa: S310 - the address is the bot owner's own setting
                f"{self._address}/{kind}",
                data=_json(body).encode(),
                headers={"Authorization": f"Bearer {self._secret()}", "Content-Type": "application/json"},
            )
            with self._open(request):
                self.last_error = None
                return True
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            self._failed_with(f"{kind}: the exporter answered {error.code}: {said}")
            if error.code in _WORTH_A_RETRY or error.code >= 500:
                return False
            self.refused += 1
            return True
        except OSError as error:
            self._failed_with(f"{kind}: {self._address}: {error}")
            return False

    def _open(self, request: urllib.request.Request) -> Any:  # noqa: ANN401 - as urllib says
        if self._opener is None:
            self._opener = _opener(self._ca_file)
        return self._opener.open(request, timeout=self._timeout)

    def _secret(self) -> str:
        if self._token_file is not None:
            return Path(self._token_file).read_text(encoding="utf-8").strip()
        return self._token or ""

    def _failed_with(self, problem: str) -> None:
        """Log a failure once, not at every attempt."""
        if problem != self.last_error:
            _log.warning("%s", problem)
        self.last_error = problem


_BOTS: "weakref.WeakSet[Bot]" = weakref.WeakSet()


def _after_fork() -> None:
    """Leave the unsent data to the parent: the child has neither its thread nor its locks."""
    for bot in _BOTS:
        bot._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _copied(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the fields: the bot may change its own lists before they are sent."""
    copied: dict[str, Any] = json.loads(_json(fields))
    return copied


def _json(value: object) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: object) -> float:
    """Return another library's number, or a time, as a plain number. Raises TypeError for anything else."""
    return value.timestamp() if isinstance(value, datetime) else float(value)  # type: ignore[arg-type]
