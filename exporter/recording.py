"""Writes the exporter's metrics into files, as often as Prometheus scrapes, if `storage.file` is set."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from exporter.catalogue import Sample, sample
from exporter.formats import OPENMETRICS, Format
from exporter.record import Record
from stack.settings import Settings

_log = logging.getLogger(__name__)
_DAY = 86_400.0


class Recording:
    """Writes while `run` runs; `settings` and `replica` may change at a reload."""

    def __init__(self, settings: Callable[[], Settings], replica: int, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._replica = replica
        self._clock = clock
        self._writes: Counter[str] = Counter()
        self._record: Record | None = None
        self._of: tuple[Path, float] | None = None
        self._problem = ""

    async def run(self, page: Callable[[Format], bytes]) -> None:
        """Write pages for ever; log and count each failure of the disk, and retry."""
        while True:
            settings = self._settings()
            await asyncio.sleep(float(settings.collection.trading.interval))
            if settings.storage.file.enabled:
                await self._write(settings, page(OPENMETRICS))

    async def _write(self, settings: Settings, page: bytes) -> None:
        record = self._record_of(settings)
        try:
            await asyncio.to_thread(record.write, page, self._clock())
        except OSError as error:
            self._writes["error"] += 1
            if str(error) != self._problem:
                _log.error("the samples cannot be written to a file: %s", error)
            self._problem = str(error)
        else:
            self._writes["ok"] += 1
            self._problem = ""

    def samples(self) -> Iterator[Sample]:
        """Yield the number of writes, by outcome."""
        for outcome, count in self._writes.items():
            yield sample("file_writes_total", count, outcome=outcome)

    def _record_of(self, settings: Settings) -> Record:
        """Return the directory; each of several exporters has its own."""
        directory, keep = settings.storage.file.directory, settings.storage.file.retention / _DAY
        if len(settings.services.exporter.all) > 1:
            directory /= f"exporter-{self._replica}"
        if self._record is None or self._of != (directory, keep):
            self._record, self._of = Record(directory, keep), (directory, keep)
        return self._record
