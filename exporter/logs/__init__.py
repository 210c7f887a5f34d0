"""Reads bots' logs: follows their files, finds events in them, counts them and reports on them."""
