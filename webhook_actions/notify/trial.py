"""Sends a test over each channel that Nightdesk uses itself, and reports the results.

`python -m webhook_actions.notify.trial [--config FILE]` does the part of `nightdesk test-notify` that
Alertmanager cannot do: SMS, phone, Telegram's `@channel` and Apprise. It prints a JSON object for each
message. With `--look` it sends nothing, and says for `nightdesk doctor` whether each channel would accept
one.
"""

import argparse
import json
import time
from collections.abc import Iterator
from itertools import chain

from stack.settings import Settings, add_arguments, from_arguments
from webhook_actions.notify import APPRISE, send, twilio
from webhook_actions.notify.channel_check import check_channels
from webhook_actions.notify.message import Message
from webhook_actions.notify.receipts import ASKED, FIRST, judged

_SUBJECT = "Nightdesk reaches you by {channel}"
_TEXT = "This is the test that you asked for. No bot is in trouble: you need not act."
_WAIT = 60.0  # seconds for a receipt


def addresses(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield (channel, address) of the tests: for SMS and phone the owner's numbers, else a contact's."""
    channels, contacts = settings.channels, settings.contacts.values()
    for channel in ASKED:
        config = getattr(channels, channel)
        numbers = config.to or list(chain.from_iterable(one.phone for one in contacts))[:1]
        yield from ((channel, number) for number in numbers if config.enabled)
    if channels.telegram.enabled:
        yield from (("telegram", chat) for chat in channels.telegram.chats if isinstance(chat, str))
    files = dict.fromkeys(chain.from_iterable(one.apprise_files for one in contacts))
    yield from ((APPRISE, str(file)) for file in files)


def try_out(settings: Settings, channel: str, address: str, wait: float = _WAIT) -> str:
    """Send a test and return "sent", "delivered" or the error."""
    subject = _SUBJECT.format(channel=channel)
    short = f"{subject}\n{_TEXT}"
    outcome = send(settings, channel, address, Message(subject, short, short, f"{subject}. {_TEXT}"))
    if not outcome.done:
        return f"failed: {outcome.detail}"
    if channel not in ASKED or not outcome.receipt:
        return "sent"
    began = time.monotonic()
    while (age := time.monotonic() - began) < wait:
        time.sleep(FIRST)
        verdict = judged(twilio.status(settings, channel, outcome.receipt), age)
        if verdict.arrived is not None:
            return verdict.arrived if not verdict.cause else f"failed: {verdict.detail}"
    return f"sent, but no receipt within {wait:g}s"


def main() -> None:
    """Test each address and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--look", action="store_true", help="send nothing")
    arguments = parser.parse_args()
    settings = from_arguments(arguments)
    if arguments.look:
        for channel, asked, result in check_channels(settings):
            print(json.dumps({"channel": channel, "to": asked, "result": result}), flush=True)
        return
    for channel, address in addresses(settings):
        result = try_out(settings, channel, address)
        print(json.dumps({"channel": channel, "to": address, "result": result}), flush=True)


if __name__ == "__main__":
    main()
