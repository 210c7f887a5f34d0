"""Pushes are checked, stored and recognised, each for its own bot only; over a real exporter."""

import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.push_api import BODY_LIMIT
from exporter.sources.journal import Journal, folder
from tests.exporter.harness import Series, names, own, value, watch
from tests.exporter.pushing import TOKENS, Desk, desk
from tests.exporter.test_http import STATE

NOW = time.time()


def closed(number: int, profit: float = 1.0, **more: object) -> dict[str, object]:
    """Return a trade as a bot pushes it."""
    return {
        "id": number,
        "symbol": "BTC/USDT",
        "side": "long",
        "opened_at": NOW - 7200 + number,
        "closed_at": NOW - 3600 + number,
        "profit": profit,
        "stake": 100.0,
    } | more


def state(**more: object) -> dict[str, object]:
    """Return a state as a bot pushes it now."""
    shift = time.time() - STATE["time"]
    moved = {name: STATE[name] + shift for name in ("time", "started_at", "last_activity_at")}
    return STATE | moved | {"feeds": {"BTC/USDT": moved["time"] - 4}} | more


def won(series: Series) -> float | None:
    """Return how many trades of `closed` were won."""
    return value(series, "trades_total", symbol="BTC/USDT", side="long", outcome="won")


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("push"), silent_after="1d") as found:
        yield found


def test_what_is_pushed_reaches_prometheus(exporter: Desk):
    assert exporter.push("one", "state", state()) == (
        200,
        {"accepted": 1, "duplicates": 0, "refused": [], "ignored": []},
    )
    rows = [closed(1, 150.0), closed(2, -70.0), closed(3, 20.0)]
    assert exporter.push("one", "trades", {"trades": rows})[1]["accepted"] == 3
    calls = {"requests_ok_total": 7, "requests_error_total": 1}
    quick = {"api": calls, "models": {"exit": {"accuracy": 0.5}}}
    assert exporter.push("one", "metrics", quick)[0] == 200
    series = exporter.until("one", lambda found: value(found, "win_rate") is not None)
    assert value(series, "win_rate") == pytest.approx(2 / 3)
    assert value(series, "equity") == 10_080
    assert value(series, "api_requests_total", outcome="ok") == 7  # pushed metrics override the state
    assert value(series, "model_accuracy", model="exit") == 0.5
    assert value(series, "model_accuracy", model="entry") == 0.81
    assert value(series, "up") == 1
    assert own(series, "pushes_total", kind="trades") == 1


def test_a_trade_pushed_twice_counts_once(exporter: Desk):
    rows = [closed(1, 5.0), closed(2, 5.0), closed(1, 5.0)]
    assert exporter.push("two", "trades", {"trades": rows})[1] == {
        "accepted": 2, "duplicates": 1, "refused": [], "ignored": [],
    }  # fmt: skip
    assert exporter.push("two", "trades", rows)[1]["duplicates"] == 3
    series = exporter.until("two", lambda found: value(found, "win_rate") == 1)
    assert won(series) == 2


def test_one_bad_trade_among_good_ones_is_refused_alone_and_named(exporter: Desk):
    status, answer = exporter.push(
        "two", "trades", {"trades": [closed(10), closed(11, profit="12"), closed(12)]}
    )
    assert (status, answer["accepted"]) == (422, 2)
    assert len(answer["refused"]) == 1
    assert answer["refused"][0].startswith("trades[1] (id 11).profit: '12': Input should be a valid number")


WRONG_TRADES = [
    ({"profit": float("nan")}, "profit: 'nan'", "leave out"),
    ({"profit": float("inf")}, "profit: 'inf'", "leave out"),
    ({"profit": 1e300}, "profit: '1e+300'", "less than or equal"),
    ({"profit": True}, "profit: 'True'", "valid number"),
    ({"stake": -1}, "stake: '-1'", "greater than or equal to 0"),
    ({"closed_at": None}, "closed_at: 'None'", "valid number"),
    ({"closed_at": NOW * 1000}, "closed_at: '17", "unix seconds"),
    ({"closed_at": NOW + 3 * 86_400}, "closed_at: ", "3.0 days ahead; send unix seconds, and set"),
    ({"closed_at": NOW - 90_000}, "closed_at", "is before opened_at"),
    ({"id": -1}, "id: '-1'", "greater than or equal to 0"),
    ({"id": 1.5}, "id: '1.5'", "valid integer"),
    ({"id": 10**400}, "id: '1000", ""),
    ({"side": "up"}, "side: 'up'", "'long' or 'short'"),
    ({"symbol": ""}, "symbol: ''", "at least 1 character"),
    ({"symbol": "x" * 300}, "symbol: 'xxx", "at most 200 characters"),
]


@pytest.mark.parametrize(("wrong", "names_it", "way_out"), WRONG_TRADES)
def test_a_trade_that_cannot_be_is_refused_with_field_value_and_way_out(
    exporter: Desk, wrong: dict[str, object], names_it: str, way_out: str
):
    status, answer = exporter.push("two", "trades", {"trades": [closed(500) | wrong]})
    assert (status, answer["accepted"]) == (422, 0)
    assert names_it in answer["refused"][0]
    assert way_out in answer["refused"][0]


def test_a_trade_without_close_is_refused(exporter: Desk):
    row = closed(501)
    del row["closed_at"]
    status, answer = exporter.push("two", "trades", {"trades": [row]})
    assert status == 422
    assert answer["refused"] == [
        "trades[0] (id 501).closed_at: Field required; send a whole trade, after it has closed"
    ]


def test_a_repeated_trade_with_other_figures_is_refused_and_the_first_stays(exporter: Desk):
    exporter.push("two", "trades", {"trades": [closed(600)]})
    status, answer = exporter.push("two", "trades", {"trades": [closed(600, 2.0)]})
    assert (status, answer["accepted"]) == (422, 0)
    assert "an earlier push had other figures" in answer["refused"][0]


def test_a_bot_that_restarts_its_ids_has_new_trades(exporter: Desk):
    again = closed(600, opened_at=NOW - 50, closed_at=NOW - 40)
    assert exporter.push("two", "trades", {"trades": [again]})[1]["accepted"] == 1


def test_a_bad_value_in_a_state_is_named_and_the_rest_is_taken(exporter: Desk):
    wrong = state(
        equity=float("nan"),
        pending_orders=-2,
        exposure="12",
        models={"entry": {"accuracy": 81, "auc": 0.5}},
        api={"requests_ok_total": -1},
        time=NOW + 10 * 86_400,
        eqity=7,
    )
    status, answer = exporter.push("one", "state", wrong)
    assert (status, answer["accepted"]) == (422, 1)
    assert sorted(each.split(":")[0] for each in answer["refused"]) == [
        "api.requests_ok_total", "equity", "exposure", "models.entry.accuracy", "pending_orders", "time",
    ]  # fmt: skip
    assert answer["ignored"] == ["eqity"]
    series = exporter.until("one", lambda found: value(found, "model_auc", model="entry") == 0.5)
    assert value(series, "up") == 1
    assert value(series, "equity") is None
    assert (own(series, "rejected_input_total", reason="not_finite") or 0) >= 1
    assert (own(series, "rejected_input_total", reason="out_of_range") or 0) >= 2
    assert (own(series, "rejected_input_total", reason="ahead") or 0) >= 1


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"state":', b"\xff\xfe", b"[" * 100_000, b'"\\ud800"'])
@pytest.mark.parametrize("kind", ["state", "trades", "metrics"])
def test_what_is_no_json_is_refused(exporter: Desk, kind: str, body: bytes):
    status, answer = exporter.push("two", kind, body)
    assert status == 400
    assert answer["refused"][0].startswith("the body is not JSON: ")


@pytest.mark.parametrize("body", [[], None, 7, "text", {"trades": {}}, {"trades": None}])
def test_another_shape_altogether_is_refused(exporter: Desk, body: object):
    kind = "trades" if isinstance(body, dict) else "state"
    status, answer = exporter.push("two", kind, body)
    assert status == 422
    assert answer["accepted"] == 0
    assert len(answer["refused"]) == 1


def test_hostile_labels_come_out_as_they_went_in(exporter: Desk):
    name = 'a"b\n\\ 🚀 {x="y"}'
    assert exporter.push("one", "metrics", {"models": {name: {"accuracy": 0.25}}})[0] == 200
    series = exporter.until("one", lambda found: value(found, "model_accuracy", model=name) is not None)
    assert value(series, "model_accuracy", model=name) == 0.25


def test_a_hundred_thousand_symbols_are_capped_and_counted(exporter: Desk):
    market = {f"S{n}": {"rsi": 50} for n in range(100_000)}
    assert exporter.push("one", "metrics", {"market": market})[0] == 200
    series = exporter.until("one", lambda found: own(found, "over_cap", what="market") is not None)
    assert own(series, "over_cap", what="market") == 99_500
    assert len([1 for name, _ in series if name == "trading_bot_market_rsi"]) == 500


@pytest.mark.parametrize("token", ["", "wrong", TOKENS["two"], TOKENS["one"] + "x", "tökén"])
def test_only_the_bots_own_token_may_write_to_it(exporter: Desk, token: str):
    before = own(exporter.series("one"), "rejected_input_total", reason="auth") or 0
    status, answer = exporter.push("one", "state", state(), token=token.encode().decode("latin-1"))
    assert status == 401
    assert "token_file" in answer["refused"][0]
    assert token not in json.dumps(answer) or not token
    exporter.until("one", lambda found: (own(found, "rejected_input_total", reason="auth") or 0) > before)


@pytest.mark.parametrize("bot", ["nobody", "polled", "..%2F..%2Fetc"])
def test_a_bot_that_does_not_push_is_not_found(exporter: Desk, bot: str):
    assert exporter.push(bot, "state", {}, token="any")[0] == 404


def test_a_body_without_end_is_cut_off(exporter: Desk):
    status, answer = exporter.push("two", "trades", b" " * (BODY_LIMIT + 1))
    assert status == 413
    assert str(BODY_LIMIT) in answer["refused"][0]


def test_a_missing_token_file_is_the_exporters_error_and_its_path_is_not_shown(tmp_path: Path):
    with desk(tmp_path) as found:
        (tmp_path / "one").write_text("\n")
        assert found.push("one", "state", state(), token="")[0] == 503
        (tmp_path / "one").unlink()
        status, answer = found.push("one", "state", state())
        assert status == 503
        assert str(tmp_path) not in json.dumps(answer)


def test_a_bot_that_says_nothing_any_more_is_down(tmp_path: Path):
    with desk(tmp_path, silent_after="8s") as fresh:
        series = fresh.until("one", lambda found: value(found, "up") is not None)
        assert value(series, "up") == 0  # it never pushed
        fresh.push("one", "state", state())
        fresh.until("one", lambda found: value(found, "up") == 1)
        series = fresh.until("one", lambda found: value(found, "up") == 0)
    assert value(series, "source_error", reason="timeout") == 1
    assert {name for name in names(series) if not name.startswith("loss_limit_")} == {"up", "source_error"}


def test_a_restart_knows_the_state_and_every_trade_again(tmp_path: Path):
    with desk(tmp_path, silent_after="1d") as fresh:
        fresh.push("one", "trades", {"trades": [closed(1, 5.0), closed(2, -5.0)]})
        fresh.push("one", "state", state())
        fresh.push("one", "metrics", {"models": {"exit": {"accuracy": 0.5}}})
        fresh.kill()
        fresh.start()
        series = fresh.until("one", lambda found: value(found, "win_rate") is not None)
        assert value(series, "win_rate") == 0.5
        assert value(series, "equity") == 10_080
        assert value(series, "model_accuracy", model="exit") == 0.5
        assert fresh.push("one", "trades", {"trades": [closed(1, 5.0)]})[1]["duplicates"] == 1


def test_kill_9_in_the_middle_of_pushes_loses_no_acknowledged_trade(tmp_path: Path):
    rounds, acknowledged, sent = 6, {"one": set[int](), "two": set[int]()}, {"one": 0, "two": 0}
    found = Desk(tmp_path)
    found.configure()

    def pushes(bot: str) -> None:
        client = Desk(tmp_path, found.port)
        while True:
            batch = [closed(sent[bot] + n) for n in range(1, 8)]
            sent[bot] += len(batch)
            try:
                status, answer = client.push(bot, "trades", {"trades": batch})
            except OSError:
                return  # killed: it is unknown whether these were stored
            assert (status, answer["accepted"]) == (200, len(batch))
            acknowledged[bot] |= {each["id"] for each in batch}

    for number in range(rounds):
        found.start()
        threads = [threading.Thread(target=pushes, args=(bot,)) for bot in acknowledged]
        for thread in threads:
            thread.start()
        before = {bot: len(ids) for bot, ids in acknowledged.items()}
        while any(len(ids) < before[bot] + 40 + 29 * number for bot, ids in acknowledged.items()):
            time.sleep(0.003)
        found.kill()
        for thread in threads:
            thread.join()
    found.start()
    try:
        for bot, ids in acknowledged.items():
            again = [closed(number) for number in sorted(ids)]
            assert found.push(bot, "trades", {"trades": again})[1]["duplicates"] == len(ids) > 500
            journalled = [each["id"] for each in found.trades_of(bot)]
            assert ids <= set(journalled)
            assert len(journalled) == len(set(journalled))
            total = len(journalled)
            found.until(bot, lambda series, total=total: won(series) == total)
    finally:
        found.stop()


def test_a_line_that_a_crash_left_half_is_cut_off_and_the_next_is_whole(tmp_path: Path):
    first = Journal(tmp_path / "bot")
    first.open()
    first.append([closed(1)])
    first.close()
    with (tmp_path / "bot/trades.jsonl").open("ab") as file:
        file.write(b'{"id": 2, "symb' * 20_000)
    again = Journal(tmp_path / "bot")
    again.open()
    again.append([closed(3)])
    assert [json.loads(line)["id"] for line in again.trades()] == [1, 3]


def test_a_journal_has_one_exporter(tmp_path: Path):
    Journal(tmp_path / "bot").open()
    settings = {"source": {"type": "push", "token_file": tmp_path / "token"}}
    with watch(settings, data=tmp_path / "bot") as watched:
        assert watched.error() == "unavailable"
        assert "another exporter has it" in watched.poller.status.error


def test_a_full_disk_takes_nothing_and_leaves_the_journal_whole(tmp_path: Path, monkeypatch):
    journal = Journal(tmp_path / "bot")
    journal.open()
    journal.append([closed(1)])
    write = os.write

    def full(handle: int, data: bytes) -> int:
        write(handle, bytes(data)[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("exporter.sources.journal.os.write", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append([closed(2)])
    monkeypatch.undo()
    journal.append([closed(3)])
    assert [json.loads(line)["id"] for line in journal.trades()] == [1, 3]


def test_a_damaged_line_is_skipped_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    journal = Journal(tmp_path / "bot")
    journal.open()
    journal.append([closed(1), closed(2), closed(3)])
    journal.keep("state", time.time(), state())
    journal.close()
    file = tmp_path / "bot/trades.jsonl"
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([lines[0], b"\0" * 40, *lines[2:]]))
    settings = {"source": {"type": "push", "token_file": tmp_path / "token"}}
    with watch(settings, data=tmp_path / "bot") as watched:
        series = watched.poll()
    assert won(series) == 2
    assert "line 2 of trades.jsonl is damaged" in caplog.text


@pytest.mark.parametrize("name", ["..", ".", "a/b", "🚀" * 100, "x" * 128, "A", "a", "\ud800"])
def test_every_bots_name_gives_a_directory_of_its_own(tmp_path: Path, name: str):
    made = tmp_path / folder(name)
    made.mkdir()
    assert made.parent.resolve() == made.resolve().parent
    assert folder(name) != folder(name + "x")


def test_the_state_grows_older_with_the_exporters_clock(tmp_path: Path):
    journal = Journal(tmp_path / "bot")
    journal.open()
    journal.keep("state", 1000.0, {"time": 5000.0, "started_at": 4000.0, "feeds": {"x": 4990.0}})
    journal.close()
    settings = {"source": {"type": "push", "token_file": tmp_path / "token"}}
    with watch(settings, data=tmp_path / "bot", clock=lambda: 1030.0) as watched:
        series = watched.poll()
    assert value(series, "data_freshness_seconds", feed="x") == 40  # 10 when pushed, 30 since then
    assert value(series, "uptime_seconds") == 1030
