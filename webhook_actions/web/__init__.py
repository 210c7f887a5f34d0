"""The HTTP side: access, and the answers to requests."""
