"""Serves what is known of each watched bot as Prometheus metrics."""
