"""Typed clients of Prometheus, Alertmanager, bots and exchanges; one model for each answer."""
