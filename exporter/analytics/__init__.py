"""Figures that follow from a bot's trades: computed here, from values to values."""
