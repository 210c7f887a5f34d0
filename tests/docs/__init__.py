"""The manual, followed word by word."""
