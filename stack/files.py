"""The places of Nightdesk's other files: beside the packages, or installed in nightdesk_data."""

from pathlib import Path
from typing import Final

_BESIDE: Final = Path(__file__).parent.parent
_DATA: Final = _BESIDE / "nightdesk_data"  # setup.py puts them there
INSTALLED: Final = _DATA.is_dir()
ROOT: Final = _DATA if INSTALLED else _BESIDE
# The command that brings programs and Nightdesk's own secrets: a wheel has no Makefile.
SETUP: Final = "`nightdesk up`" if INSTALLED else "`make setup`"
# The directory for fetched programs: in the checkout, or else in the working directory.
TOOLS: Final = (Path.cwd() if INSTALLED else _BESIDE) / ".tools"
