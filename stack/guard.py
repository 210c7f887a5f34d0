"""Says how late a loss of a bot may be seen, if that is more than seconds."""

from collections.abc import Iterator

from stack.settings import Duration, PushBot, Settings


def slow(settings: Settings) -> Iterator[str]:
    """Yield a line for each bot whose losses only its polls see."""
    collection = settings.collection
    if not collection.guard.enabled:
        late = collection.poll_interval + collection.trading.interval + collection.evaluation_interval
        yield f"collection.guard.enabled: false: Nightdesk may see the loss of any bot {Duration(late)} late"
        return
    late = collection.poll_interval + collection.guard.scrape + collection.guard.evaluation
    for name, bot in settings.bots.items():
        if not bot.guard and not isinstance(bot.source, PushBot):
            yield (
                f"bots.{name}.guard: false: only polls see a loss of {name}, up to {Duration(late)} late; "
                "let the bot push its state (docs/push.md) to see it within seconds"
            )
