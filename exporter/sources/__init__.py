"""The sources of a bot's state: one file each, chosen by `source.type` of the bot's settings."""

import importlib
import pkgutil

from clients.input import Input
from exporter.sources.protocol import SOURCES, Source, SourceContext, SourceError
from stack.settings import Bot

__all__ = ["Input", "Source", "SourceContext", "SourceError", "connect"]


def connect(bot: Bot, surroundings: SourceContext) -> Source:
    """Return the source of a bot; it reads its secret and calls the bot only when polled.

    A source registers itself with `protocol.source`; its file must only exist beside this one.
    """
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return SOURCES[type(bot.source)](bot.source, surroundings)
