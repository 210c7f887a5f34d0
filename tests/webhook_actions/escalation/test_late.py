"""A firing that arrives after its alert's end opens nothing; one that began since then opens an incident."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.harness import Harness
from webhook_actions import payload
from webhook_actions.store import incidents

START = datetime.now(UTC) - timedelta(hours=1)


def alert(status: str, minute: int, end: int | None = None) -> payload.Alert:
    return payload.Alert(
        status=status,
        labels={"alertname": "TradingBotDown", "bot": "alpha", "severity": "critical"},
        startsAt=(START + timedelta(minutes=minute)).isoformat(),
        endsAt=end and (START + timedelta(minutes=end)).isoformat(),
        fingerprint="f",
    )


@pytest.mark.parametrize(
    ("resolved", "over", "late", "new"),
    [
        (None, 20, 19, 21),  # closed on proof
        (5, 20, 10, 21),  # it fired again after Alertmanager had said resolved, and the proof was after that
        (5, None, 4, 6),  # closed without a look at Prometheus
    ],
)
def test_a_late_firing_opens_no_incident(
    play: Play, resolved: int | None, over: int | None, late: int, new: int
) -> None:
    async def scenario(harness: Harness) -> None:
        async def told(one: payload.Alert) -> incidents.Accepted:
            async with harness.pool.transaction() as connection:
                return await incidents.accept(connection, [one])

        [id_] = (await told(alert("firing", 0))).opened
        if resolved:
            await told(alert("resolved", 0, resolved))
        async with harness.pool.transaction() as connection:
            at = over and START + timedelta(minutes=over)
            assert await incidents.close(connection, id_, "proven", at)
        assert (await told(alert("firing", late))).ignored == 1
        assert len((await told(alert("firing", new))).opened) == 1

    play(scenario, work=False)
