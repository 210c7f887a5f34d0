"""Whether the settings in force are those of the files: a reload that fails leaves the old ones."""

from collections.abc import Iterator

from exporter.catalogue import Sample, sample


class Reloads:
    """The result of the last reload; the start counts as one, at the unix time `now`."""

    def __init__(self, now: float) -> None:
        self._good = True
        self._good_at = now

    def ended(self, now: float, *, good: bool) -> None:
        """Note the result of a reload."""
        self._good = good
        if good:
            self._good_at = now

    def samples(self) -> Iterator[Sample]:
        """Yield both facts, like Prometheus's metrics of its own reloads."""
        yield sample("config_last_reload_successful", float(self._good))
        yield sample("config_last_reload_success_timestamp_seconds", self._good_at)
