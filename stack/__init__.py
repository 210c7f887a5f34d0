"""Nightdesk's own stack: settings in, configuration out."""

VERSION = "0.1.0"  # The version of the package too: the image has no installed package to ask.
