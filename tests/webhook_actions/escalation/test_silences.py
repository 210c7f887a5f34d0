"""An acknowledgement may silence its alert in a real Alertmanager, until it or the incident ends."""

import asyncio
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from clients.alertmanager import SilenceError
from stack.binaries import alertmanager_command
from tests.conftest import binary, eventually, free_port
from tests.webhook_actions.escalation.conftest import Play
from tests.webhook_actions.escalation.harness import Harness, Setup, until
from webhook_actions.notify import silences
from webhook_actions.store.deliveries import Delivery
from webhook_actions.store.incidents import Incident

CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


@pytest.fixture
def alertmanager(setup: Setup) -> Iterator[int]:
    binary("alertmanager")
    port = free_port()
    config = setup.directory / "alertmanager.yml"
    config.write_text(CONFIG)
    command = alertmanager_command(
        f"--config.file={config}",
        f"--storage.path={setup.directory / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def ready() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=1).ok
        except requests.ConnectionError:
            return False

    eventually(ready, what="Alertmanager")
    yield port
    process.terminate()
    process.wait(20)


def fire(port: int, *incidents: Incident) -> None:
    body = [{"labels": one.labels} for one in incidents]
    requests.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=body, timeout=5).raise_for_status()


def state(port: int, bot: str) -> str:
    """Return Alertmanager's state of a bot's alert: active or suppressed."""
    alerts = requests.get(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=5).json()
    return next((alert["status"]["state"] for alert in alerts if alert["labels"]["bot"] == bot), "")


def test_a_silence_covers_exactly_its_alert_and_ends_with_its_incident(play: Play, alertmanager: int) -> None:
    async def settled(bot: str, wanted: str) -> None:
        async def look() -> bool:
            return state(alertmanager, bot) == wanted

        await until(look, what=f"{bot} {wanted}")

    async def scenario(harness: Harness) -> None:
        ours, other = await harness.fires("Down", 'alpha "1"', "beta")
        fire(alertmanager, ours, other)
        await settled(ours.bot, "active")
        silence = await silences.make(harness.settings, ours, "anna", "asleep", _in_an_hour())
        async with harness.pool.transaction() as connection:
            assert await harness.escalation.acknowledged(connection, ours, "anna", "asleep", silence)
        assert await harness.timeline(ours, "acknowledged") == ["by anna, silenced in Alertmanager: asleep"]
        await settled(ours.bot, "suppressed")
        assert state(alertmanager, other.bot) == "active"
        await harness.close(ours)
        await settled(ours.bot, "active")
        again = await asyncio.to_thread(silences.lift, harness.settings, Delivery("alertmanager", silence))
        assert again.done, "also one that has ended already"

    play(scenario, speed=60, services={"alertmanager": {"port": alertmanager}})


def test_an_absent_alertmanager_is_reported(setup: Setup, play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        incident: Incident = await harness.fire("Down")
        with pytest.raises(SilenceError, match="cannot be reached"):
            await silences.make(harness.settings, incident, "anna", "", _in_an_hour())

    play(scenario, speed=60, services={"alertmanager": {"port": free_port()}})


def test_a_refusal_by_alertmanager_is_reported(alertmanager: int, play: Play) -> None:
    async def scenario(harness: Harness) -> None:
        incident = await harness.fire("Down")
        past = datetime.now(UTC) - timedelta(hours=1)
        with pytest.raises(SilenceError, match="answered 400"):
            await silences.make(harness.settings, incident, "anna", "", past)

    play(scenario, speed=60, services={"alertmanager": {"port": alertmanager}})


def _in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)
