"""Nightdesk's own stack: settings in, configuration out."""

VERSION = "0.1.0"  # Also the package's version: the image has no installed package to ask.
