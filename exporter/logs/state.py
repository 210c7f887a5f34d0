"""Saves the read position and the counts of a bot's logs together, or neither."""

import json
import logging
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from exporter.logs.counters import LogCounters
from exporter.logs.failures import Context
from exporter.logs.follow import Follower
from exporter.logs.read_position import ReadPosition

_log = logging.getLogger(__name__)
_VERSION: Final = 1


@dataclass
class Followed:
    """One log: its follower, and the context for its next lines."""

    follower: Follower
    context: Context


def save(file: Path, tally: LogCounters, logs: dict[Path, Followed]) -> None:
    """Replace the file; once this returns, it survives a crash of the machine. Raises OSError."""
    state = {
        "version": _VERSION,
        "tally": tally.state(),
        "logs": {str(path): _log_state(each) for path, each in logs.items()},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as written:
        json.dump(state, written)
        written.flush()
        os.fsync(written.fileno())
    new.replace(file)


def load(file: Path, tally: LogCounters, paths: tuple[Path, ...]) -> dict[Path, Followed]:
    """Return the logs at their saved positions, or at their beginning, and restore the counts.

    An invalid file is renamed, and reading starts again. Raises OSError.
    """
    state: dict[str, Any] = {}
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        logs = {path: _followed(path, state["logs"].get(str(path))) for path in paths}
        tally.restore(state["tally"])
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        aside = file.with_name(f"{file.name}.damaged")
        file.replace(aside)
        _log.error("%s cannot be understood (%s) and is now %s; logs are read anew", file, error, aside)
    else:
        return logs
    return {path: _followed(path, None) for path in paths}


def _log_state(each: Followed) -> dict[str, Any] | None:
    mark = each.follower.mark
    if mark is None:
        return None
    return {
        "mark": asdict(mark),
        "skipping": each.follower.skipping,
        **asdict(each.context),
    }


def _followed(path: Path, state: dict[str, Any] | None) -> Followed:
    if state is None:
        return Followed(Follower(path), Context())
    follower = Follower(path, ReadPosition(**state["mark"]), skipping=state["skipping"])
    known = {each.name: state[each.name] for each in fields(Context) if each.name in state}
    return Followed(follower, Context(**known))
