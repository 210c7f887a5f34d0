"""Names series by bot, groups bots by currency, and formats money and ratios."""

import json
import re

from grafana.grafanalib_extensions import Json
from grafana.palette import Palette
from grafana.panel_fields import RATIO, Query, money, override
from grafana.promql import BOT, Worst


class Currencies(Palette):
    """Names, matchers and units for the bots of the settings."""

    @property
    def alone(self) -> bool:
        """Whether the settings have one bot only, so that no series needs its name."""
        return len(self.settings.bots) < 2

    def who(self, *rest: str) -> str:
        """Return the name of a series: its bot, unless it is the only one, and the rest."""
        return " ".join(rest if self.alone and rest else ("{{bot}}", *rest))

    def worst(self, expr: str, which: Worst, *rest: str, word: str = "worst") -> Query:
        """Return the highest or the lowest series; its name says that it is, where it is one of several."""
        pick = "topk" if which == "highest" else "bottomk"
        name = self.who(*rest)
        return Query(f"{pick}(1, {expr})", name if self.alone else f"{word}: {name}")

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
        """The currency label of table rows and its title: empty if all bots have one currency."""
        return {"currency": "Currency"} if len(self.currencies()) > 1 else {}

    def in_currencies(self, expr: str) -> str:
        """Return an amount, by `currency` if there are several; `%s` stands for the matchers of one."""
        if not self.by_currency:
            return expr.replace("%s", BOT)
        return " or ".join(
            f'label_replace({expr.replace("%s", matchers)}, "currency", "{currency}", "", "")'
            for currency, matchers in self.currencies().items()
        )

    def money_unit(self) -> str:
        """Return the unit of money for a bot without its own currency; exact, never rounded to K."""
        return money(next(iter(self.currencies())))

    def money_of_bots(self) -> Json:
        """Return the unit and decimals of money for series named by bot, one of them perhaps as the worst."""
        others = {
            name: money(bot.currency or self.settings.currency) for name, bot in self.settings.bots.items()
        }
        return {
            "unit": self.money_unit(),
            "decimals": self.settings.dashboards.decimals.money,
            "overrides": [
                override(f"/^(worst: )?{re.escape(name)}([ ,]|$)/", "byRegexp", unit=unit)
                for name, unit in others.items()
                if unit != self.money_unit()
            ],
        }

    @property
    def ratio(self) -> Json:
        """Unit and decimals of ratios from 0 to 1."""
        return {"unit": RATIO, "decimals": self.settings.dashboards.decimals.ratio}
