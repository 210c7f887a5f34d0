"""Figures computed from a bot's trades, as pure functions."""
