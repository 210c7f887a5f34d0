"""A caller's extra fields never replace a log record's own fields."""

import io
import json
import logging
import logging.config
from pathlib import Path

import pytest

from stack.settings import load


@pytest.mark.parametrize(("name", "own"), [("level", "WARNING"), ("logger", "mine"), ("time", "20")])
def test_an_added_field_does_not_overwrite_the_records_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, own: str
):
    (tmp_path / "monitoring.yaml").write_text("{}")
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    formatter = load([tmp_path / "monitoring.yaml"]).log_config()["formatters"]["default"]
    handler = {"class": "logging.StreamHandler", "formatter": "it", "stream": stream}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"it": formatter},
            "handlers": {"it": handler},
            "loggers": {"mine": {"handlers": ["it"], "propagate": False}},
        }
    )
    logging.getLogger("mine").warning("escalated", extra={name: 2, "bot": "one"})
    line = json.loads(stream.getvalue())
    assert str(line[name]).startswith(own)
    assert (line[f"extra_{name}"], line["bot"], line["message"]) == (2, "one", "escalated")
