"""Serves the figures of each watched bot as Prometheus metrics."""
