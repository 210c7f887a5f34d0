"""Writes log records as lines of JSON in which the record's own fields win over those that a caller adds."""

import logging
from typing import Any

from pythonjsonlogger.json import JsonFormatter


class JsonLines(JsonFormatter):
    """A line of JSON a record; a field that a caller adds as `level` is called `extra_level`."""

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill in the fields of a record."""
        super().add_fields(log_data, record, message_dict)
        for own, name in self.rename_fields.items():
            if name in record.__dict__:
                log_data[f"extra_{name}"] = record.__dict__[name]
                log_data[name] = self.formatTime(record) if own == "asctime" else record.__dict__[own]
