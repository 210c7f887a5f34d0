"""The colours of the dashboards: one meaning each, readable in the theme of the settings."""

from dataclasses import dataclass
from typing import Literal

from grafana.grafanalib_extensions import Step
from grafana.panel_fields import NEUTRAL
from stack.settings import Settings
from stack.settings.observability import Colours

CANVAS = {"dark": "#181b1f", "light": "#ffffff"}  # Grafana's background of panels
TEXT, FIGURE = 4.5, 3.0  # WCAG's contrasts of text, and of large figures and graphics


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` as WCAG 2 defines it, 0 to 1."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, theme: Literal["dark", "light"], wanted: float) -> str:
    """Return the colour, mixed with just enough black or white for its contrast in the theme."""
    to = 0 if theme == "light" else 255
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    for share in range(101):
        mixed = "#" + "".join(f"{round(part + (to - part) * share / 100):02x}" for part in parts)
        if contrast(mixed, CANVAS[theme]) >= wanted:
            return colour if share == 0 else mixed
    raise ValueError(f"{colour}: no shade of it has a contrast of {wanted} on {CANVAS[theme]}")


@dataclass(frozen=True)
class Palette:
    """Colours by their meaning, and the value steps at which they change."""

    settings: Settings

    def text(self, colour: str) -> str:
        """Return a shade of the colour that is readable as text."""
        return readable(colour, self.settings.dashboards.theme, TEXT)

    @property
    def good(self) -> str:
        """The colour of a good state."""
        return self.text(self.settings.success_colour)

    @property
    def warn(self) -> str:
        """The colour of a warning."""
        return self.text(self.settings.severities.warning.colour)

    @property
    def bad(self) -> str:
        """The colour of a critical state."""
        return self.text(self.settings.severities.critical.colour)

    @property
    def calm(self) -> str:
        """The colour of a neutral state."""
        return self.text(self.settings.severities.info.colour)

    @property
    def colours(self) -> Colours:
        """The settings' colours, adjusted to the theme."""
        chosen, theme = self.settings.dashboards.colours, self.settings.dashboards.theme
        lines = {name: readable(colour, theme, FIGURE) for name, colour in chosen.lines}
        return chosen.model_copy(
            update={
                "lines": chosen.lines.model_copy(update=lines),
                "bars": readable(chosen.bars, theme, FIGURE),
                "pie": [readable(colour, theme, FIGURE) for colour in chosen.pie],
                "bots": [readable(colour, theme, FIGURE) for colour in chosen.bots],
                "won": self.text(chosen.won),
                "lost": self.text(chosen.lost),
            }
        )

    @property
    def earned(self) -> list[Step]:
        """The steps of profit: a loss within every limit is no alarm."""
        return [Step(NEUTRAL), Step(self.colours.won, 0)]

    def scale(self, kind: Literal["usage", "risk"]) -> list[Step]:
        """Return the steps of a gauge: a colour scale, not an alert's limits."""
        low, middle, high = getattr(self.settings.dashboards.gauge_steps, kind)
        return [Step(self.good), Step(self.good, low), Step(self.warn, middle), Step(self.bad, high)]

    def at_most(self, warning: float | None, critical: float | None = None) -> list[Step]:
        """Return the steps of a figure that is good below its limits."""
        found = [Step(self.good)]
        found += [Step(self.warn, warning)] if warning is not None else []
        return [*found, Step(self.bad, critical)] if critical is not None else found

    def at_least(self, warning: float, critical: float | None = None) -> list[Step]:
        """Return the steps of a figure that is good above its limits."""
        below = [Step(self.warn)] if critical is None else [Step(self.bad), Step(self.warn, critical)]
        return [*below, Step(self.good, warning)]
