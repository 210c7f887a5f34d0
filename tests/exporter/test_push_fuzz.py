"""Whatever bots push, the exporter answers as its OpenAPI says, stays up and serves readable metrics."""

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import checks

from exporter.sources.push import Taken, Unreadable
from tests.exporter.harness import own, value, watch
from tests.exporter.pushing import TOKENS, Desk, desk
from tests.exporter.test_http import STATE
from tests.exporter.test_push import NOW, closed, state

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
BOUNDED = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("fuzz")) as found:
        yield found
        assert found.push("one", "state", state())[0] == 200
        series = found.until("one", lambda series: value(series, "up") == 1)
        assert own(series, "polls_total", outcome="internal", source="push") is None
        assert "Traceback" not in (found.directory / "log").read_text()


@pytest.fixture(scope="module")
def api(exporter: Desk) -> Any:
    found = schemathesis.openapi.from_url(f"{exporter.url}/openapi.json")
    return found.include(path_regex="^/api/v1/bots/")


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("kind", ["state", "trades", "metrics"])
def test_the_api_does_what_its_description_says(api: Any, kind: str, mode: schemathesis.GenerationMode):
    operation = api[f"/api/v1/bots/{{bot}}/{kind}"]["POST"]

    @given(operation.as_strategy(generation_mode=mode))
    @BOUNDED
    def conforms(case: Any) -> None:
        case.path_parameters["bot"] = "one"
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKENS['one']}"}, checks=CHECKS)

    conforms()


NUMBERS = st.one_of(
    st.floats(), st.integers(), st.sampled_from([0, -1, 5e-324, 1e18, -1e18, 1e308, math.nan, math.inf, NOW])
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def replaced(whole: Any, draw: st.DrawFn) -> Any:
    """Return a JSON value with some of its parts replaced by anything."""
    if draw(st.integers(0, 9)) == 0:
        return draw(ANYTHING)
    if isinstance(whole, dict):
        return {name: replaced(part, draw) for name, part in whole.items()}
    return [replaced(part, draw) for part in whole] if isinstance(whole, list) else whole


@st.composite
def states(draw: st.DrawFn) -> Any:
    return replaced(STATE, draw)


@st.composite
def trades(draw: st.DrawFn) -> Any:
    rows = [closed(number, draw(st.floats(-1e18, 1e18))) for number in draw(st.lists(st.integers(0, 9)))]
    return [replaced(row, draw) for row in rows]


def pushed_and_polled(*pushes: tuple[str, Any]) -> tuple[list[Taken | None], list[Taken | None]]:
    """Push everything twice, poll after each round; return each result."""
    with tempfile.TemporaryDirectory() as directory:
        source = {"source": {"type": "push", "token_file": "nowhere"}}
        with watch(source, data=Path(directory) / "bot", clock=lambda: NOW) as watched:

            async def push(kind: str, body: Any) -> Taken | None:
                try:
                    return await watched.poller.source.push(kind, json.dumps(body).encode())
                except Unreadable:
                    return None

            rounds = []
            for _ in range(2):
                rounds.append([watched.runner.run(push(kind, body)) for kind, body in pushes])
                watched.poll()  # parses all that Prometheus would read
                if any(rounds[-1]):
                    assert watched.poller.status.error == ""
            return rounds[0], rounds[1]


@given(states(), states())
@BOUNDED
def test_no_state_brings_the_exporter_down(first: Any, second: Any):
    pushed_and_polled(("state", first), ("metrics", second))


@given(trades())
@BOUNDED
def test_every_trade_is_taken_or_known_or_refused_and_a_second_push_adds_none(rows: Any):
    (first,), (second,) = pushed_and_polled(("trades", {"trades": rows}))
    assert first is not None
    assert second is not None
    if not first.refused:
        assert first.accepted + first.duplicates == len(rows)
    assert first.accepted + first.duplicates <= len(rows)
    assert second.accepted == 0
    assert second.duplicates >= first.accepted
    assert len(second.refused) == len(first.refused)
