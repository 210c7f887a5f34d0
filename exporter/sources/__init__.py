"""Where a bot's state comes from: one file a source, chosen by `source.type` of the bot's settings."""

from exporter.sources.freqtrade import FreqtradeSource
from exporter.sources.http import HttpSource
from exporter.sources.input import Input
from exporter.sources.protocol import Source, SourceError, Surroundings
from stack.settings import Bot, FreqtradeBot, HttpBot

__all__ = ["Input", "Source", "SourceError", "Surroundings", "connect"]


def connect(bot: Bot, surroundings: Surroundings) -> Source:
    """Return the source of a bot; it reads its secret and calls the bot only when polled."""
    match bot.source:
        case HttpBot() as settings:
            return HttpSource(settings, surroundings)
        case FreqtradeBot() as settings:
            return FreqtradeSource(settings, surroundings)
