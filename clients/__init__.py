"""Typed clients of what is outside: Prometheus now, bots and exchanges later; one model of each answer."""
