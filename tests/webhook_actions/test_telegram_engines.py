"""Several engines with one Telegram bot: one polls, and another takes over when that one is killed."""

from pathlib import Path
from typing import Any

import requests
import yaml

from tests.conftest import eventually
from tests.webhook_actions.conftest import Make
from tests.webhook_actions.escalation.fakes import TELEGRAM_TOKEN, Fakes
from tests.webhook_actions.harness import Harness
from webhook_actions.store.embedded import EmbeddedPostgres

ANNA = 501


def message(fakes: Fakes, count: int) -> dict[str, Any]:
    """Return the message of this count to anna, once it exists."""

    def look() -> dict[str, Any] | None:
        mine = [one for (chat, _), one in fakes.telegram.messages.items() if chat == str(ANNA)]
        return mine[count - 1] if len(mine) >= count else None

    found = eventually(look, within=60, what=f"message {count}")
    assert isinstance(found, dict)
    return found


def toast(fakes: Fakes, press: str) -> str:
    eventually(lambda: press in fakes.telegram.toasts, within=90, what="an answer to the press")
    return fakes.telegram.toasts[press]


def test_one_of_two_engines_asks_and_the_other_goes_on_once_it_is_killed(
    make_harness: Make, fakes: Fakes, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres")
    (tmp_path / "database_url").write_text(postgres.start())
    (tmp_path / "telegram").write_text(TELEGRAM_TOKEN)
    harness: Harness = make_harness("alpha")
    settings = yaml.safe_load(harness.config.read_text())
    settings["webhook_actions"]["database_url_file"] = str(tmp_path / "database_url")
    settings["contacts"] = {"administrator": {"telegram": [ANNA], "role": "operator"}}
    settings["channels"] = {
        "telegram": {
            "enabled": True,
            "token_file": str(tmp_path / "telegram"),
            "chats": [-100123],
            "timeout": "2s",
            "api_url": fakes.url,
        }
    }
    harness.config.write_text(yaml.safe_dump(settings))
    try:
        harness.start_engine()
        other = harness.start_replica()
        harness.deliver(harness.alert("alpha"))
        first = message(fakes, 1)
        said = toast(fakes, fakes.telegram.press(first, "Pause", ANNA))
        assert said.startswith("All actions paused by administrator (Telegram)")
        eventually(lambda: first["text"].endswith(said), what="who did it, below the message")
        assert harness.engine is not None
        harness.engine.kill()
        harness.engine.wait(60)
        said = toast(fakes, fakes.telegram.press(first, "Let actions", ANNA))
        assert said.startswith("Actions resumed by administrator (Telegram)")
        said = toast(fakes, fakes.telegram.press(first, "Acknowledge", ANNA))
        assert said.startswith("Acknowledged by administrator (Telegram)")
        acts = [one["act"] for one in _audit(harness, other)]
        assert acts == ["acknowledge", "resume", "pause"]
        assert fakes.telegram.conflicts == 0
    finally:
        harness.close()
        postgres.stop()


def _audit(harness: Harness, port: int) -> list[dict[str, Any]]:
    headers = {"Authorization": "Bearer read-secret"}
    return list(requests.get(harness.url("/api/v1/audit", port), headers=headers, timeout=20).json())
