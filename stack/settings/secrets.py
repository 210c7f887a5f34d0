"""The secret files that settings name: Nightdesk's own, and unusable ones."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from stack.files import INSTALLED
from stack.settings.bots import PushBot
from stack.settings.model import Settings
from stack.settings.types import Section
from stack.settings.web import unusable


def own_secrets(settings: Settings) -> list[Path]:
    """Return the secret files that Nightdesk writes itself if they are absent."""
    tokens = settings.webhook_actions.tokens
    files = [tokens.receive_file, tokens.read_file, tokens.act_file, tokens.reload_file]
    if settings.demo.enabled:
        files.append(settings.demo.token_file)
    if settings.web.auth.enabled:
        files.append(settings.web.auth.password_file)
    files += [bot.source.token_file for bot in settings.bots.values() if isinstance(bot.source, PushBot)]
    return files


def missing_secrets(settings: Settings) -> list[str]:
    """Return a line for each secret file in the settings that is empty, unreadable or unusable."""
    named: dict[Path, str] = {}
    for path, file in secret_files(settings, ""):
        named.setdefault(file, path)
    own, lines = own_secrets(settings), []
    for file, path in named.items():
        try:
            if not file.read_text(encoding="utf-8").strip():
                lines.append(f"{path}: {file} is empty; write the secret into it")
        except FileNotFoundError:
            lines.append(f"{path}: {file} does not exist; {_way_out(path, file in own)}")
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            lines.append(f"{path}: {file} cannot be read ({reason}); make it a text file that you may read")
            continue
        if path.startswith("bots.") and path.endswith(".ca_file") and (problem := unusable(file)):
            lines.append(f"{path}: {problem}")
    return lines + settings.web.problems()


def _way_out(path: str, own: bool) -> str:
    if path.startswith("web.tls."):
        return "docs/tls.md says how to make it"
    if own:
        return f"`nightdesk up`{'' if INSTALLED else ' or `make setup`'} writes it"
    return "write your secret into it"


def secret_files(value: object, path: str) -> Iterator[tuple[str, Path]]:
    """Yield the path in the settings and the Path of each secret of an enabled part."""
    if getattr(value, "enabled", True) is False:
        return
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(value, (Section, dict)):
        parts = value.items() if isinstance(value, dict) else value
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    for key, part in parts:
        where = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")
        if isinstance(part, Path) and (str(key).endswith("_file") or path.endswith("_files")):
            yield where, part
        else:
            yield from secret_files(part, where)
