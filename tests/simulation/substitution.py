"""Replaces the store's functions, in every module that imports them, by those of a memory."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from tests.simulation.memory import Memory
from webhook_actions.engine import due_loop
from webhook_actions.report import archive
from webhook_actions.store import (
    acknowledgements,
    audit,
    controls,
    database,
    deliveries,
    escalation_steps,
    holds,
    incidents,
    outages,
    overrides,
    receipts,
    runs,
)

MODULES = {
    "acknowledgements": acknowledgements,
    "archive": archive,
    "audit": audit,
    "controls": controls,
    "database": database,
    "deliveries": deliveries,
    "escalation_steps": escalation_steps,
    "holds": holds,
    "incidents": incidents,
    "outages": outages,
    "overrides": overrides,
    "receipts": receipts,
    "runs": runs,
}


@cache
def _places() -> tuple[tuple[Any, str, Any, str], ...]:
    """Return each place of a store function: module, name, function, and the memory's name."""
    stored = {
        getattr(MODULES[module], function): name
        for name in dir(Memory)
        for module, _, function in [name.partition("__")]
        if module in MODULES and function
    }
    return tuple(
        (module, name, value, stored[value])
        for key, module in sorted(sys.modules.items())
        if key.startswith(("webhook_actions", "tests.simulation"))
        for name, value in sorted(vars(module).items())
        if inspect.iscoroutinefunction(value) and value in stored
    )


@contextmanager
def in_memory(memory: Memory) -> Iterator[None]:
    """Replace the store's functions, in every module that imports them, by those of a memory."""
    longest = due_loop._LONGEST_SLEEP
    due_loop._LONGEST_SLEEP = 30.0  # here only a death loses a notice, and every check costs time
    try:
        for module, name, _, function in _places():
            setattr(module, name, getattr(memory, function))
        yield
    finally:
        due_loop._LONGEST_SLEEP = longest
        for module, name, real, _ in _places():
            setattr(module, name, real)
