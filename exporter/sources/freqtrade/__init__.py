"""The source of a Freqtrade bot."""

from exporter.sources.freqtrade.source import FreqtradeSource

__all__ = ["FreqtradeSource"]
