"""The reconciler while Prometheus does not answer."""

import asyncio
import logging
from typing import Any

import pytest

from clients.prometheus import Unreachable
from stack.settings import load
from stack.settings.load import DEFAULTS
from webhook_actions.engine.reconcile import Reconciler
from webhook_actions.metrics import Metrics


class Silent:
    """A Prometheus that does not answer."""

    async def firing(self) -> Any:
        raise Unreachable("no connection")


def test_a_prometheus_that_does_not_answer_is_logged_once_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    nothing, metrics = object(), Metrics()
    reconciler = Reconciler(
        load([DEFAULTS]), nothing, nothing, nothing, Silent(), nothing, metrics  # type: ignore[arg-type]
    )  # fmt: skip
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            asyncio.run(reconciler.once())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert metrics.reconciliations.labels("unreachable")._value.get() == 5
