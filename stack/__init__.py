"""Nightdesk's own stack: settings in, configuration out."""

VERSION = "0.1.0"  # of the package too; in the image there is no package that could be asked
