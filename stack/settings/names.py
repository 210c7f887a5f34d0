"""Names of figures and faults for people, from stack/names.yaml, which the rules read too."""

from pathlib import Path
from typing import Final

import yaml

_UNREAD = "unread_"
_TABLE: Final[dict[str, str]] = yaml.safe_load((Path(__file__).parents[1] / "names.yaml").read_text("utf-8"))

PNL: Final = _TABLE["pnl"]
PNL_TODAY: Final = _TABLE["pnl_today"]
PNL_CLOSED: Final = _TABLE["pnl_closed"]
PNL_OPEN: Final = _TABLE["pnl_open"]
VALUE_AT_RISK: Final = _TABLE["value_at_risk"]
EXPECTED_SHORTFALL: Final = _TABLE["expected_shortfall"]
SLIPPAGE: Final = _TABLE["slippage"]
SLIPPAGE_COST: Final = _TABLE["slippage_cost"]
FEES: Final = _TABLE["fees_paid"]
UNREAD: Final = {  # by the label `reason` of trading_bot_source_error
    name.removeprefix(_UNREAD): words for name, words in _TABLE.items() if name.startswith(_UNREAD)
}
