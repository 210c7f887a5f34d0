"""Whose money a panel shows: the names of series, their currencies, and how money and ratios are written."""

import json
import re

from grafana.grafanalib_extensions import Json
from grafana.palette import Palette
from grafana.panel_fields import RATIO, money, override
from grafana.promql import BOT


class Currencies(Palette):
    """Names, matchers and units that follow from the bots of the settings."""

    @property
    def alone(self) -> bool:
        """Whether one bot is watched, so that no series needs its name."""
        return len(self.settings.bots) < 2

    def who(self, *rest: str) -> str:
        """Return the name of a series: its bot, unless that is the only one, and the rest."""
        return " ".join(rest if self.alone and rest else ("{{bot}}", *rest))

    def currencies(self) -> dict[str, str]:
        """Return each currency with the matchers of its bots: money of two currencies is never added up."""
        bots: dict[str, list[str]] = {}
        for name, bot in self.settings.bots.items():
            bots.setdefault(bot.currency or self.settings.currency, []).append(re.escape(name))
        if len(bots) < 2:
            return {next(iter(bots), self.settings.currency): BOT}
        return {
            currency: f"{BOT},bot=~{json.dumps('|'.join(names), ensure_ascii=False)}"
            for currency, names in bots.items()
        }

    @property
    def by_currency(self) -> dict[str, str]:
        """The label of rows of money and its title: none where all bots have one currency."""
        return {"currency": "Currency"} if len(self.currencies()) > 1 else {}

    def in_currencies(self, expr: str) -> str:
        """Return an amount, by `currency` where there are several; `%s` stands for the matchers of one."""
        if not self.by_currency:
            return expr.replace("%s", BOT)
        return " or ".join(
            f'label_replace({expr.replace("%s", matchers)}, "currency", "{currency}", "", "")'
            for currency, matchers in self.currencies().items()
        )

    def money_unit(self) -> str:
        """Return the unit of money where a bot has no currency of its own; exact, never rounded to K."""
        return money(next(iter(self.currencies())))

    def money_of_bots(self) -> Json:
        """Return unit and decimals of the money of series that begin with the name of a bot."""
        others = {
            name: money(bot.currency or self.settings.currency) for name, bot in self.settings.bots.items()
        }
        return {
            "unit": self.money_unit(),
            "decimals": self.settings.dashboards.decimals.money,
            "overrides": [
                override(f"/^{re.escape(name)}( |$)/", "byRegexp", unit=unit)
                for name, unit in others.items()
                if unit != self.money_unit()
            ],
        }

    @property
    def ratio(self) -> Json:
        """Unit and decimals of what is 0 to 1."""
        return {"unit": RATIO, "decimals": self.settings.dashboards.decimals.ratio}
