"""Nightdesk's own stack: settings in, configuration out."""
