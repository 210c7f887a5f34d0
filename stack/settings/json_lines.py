"""Writes log records as JSON lines, in which the record's own fields win over a caller's."""

import logging
from typing import Any

from pythonjsonlogger.json import JsonFormatter


class JsonLines(JsonFormatter):
    """Formats a record as a JSON line. A caller's field `level` becomes `extra_level`."""

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Fill in the fields of a record."""
        super().add_fields(log_data, record, message_dict)
        for own, name in self.rename_fields.items():
            if name in record.__dict__:
                log_data[f"extra_{name}"] = record.__dict__[name]
                log_data[name] = self.formatTime(record) if own == "asctime" else record.__dict__[own]
