"""Where Nightdesk's files are that are no Python: beside the packages, or installed in nightdesk_data."""

from pathlib import Path
from typing import Final

_BESIDE: Final = Path(__file__).parent.parent
_DATA: Final = _BESIDE / "nightdesk_data"  # setup.py puts them there
INSTALLED: Final = _DATA.is_dir()
ROOT: Final = _DATA if INSTALLED else _BESIDE
# Programs that the machine has not are fetched into the checkout, else into the directory that one works in.
TOOLS: Final = (Path.cwd() if INSTALLED else _BESIDE) / ".tools"
