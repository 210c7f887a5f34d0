"""A simulated trading bot with a control API and switchable faults, for Nightdesk to watch."""
