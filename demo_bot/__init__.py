"""A simulated trading bot with a control API and faults to switch on: something for Nightdesk to watch."""
