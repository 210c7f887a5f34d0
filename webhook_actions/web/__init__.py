"""The HTTP side: who may call, and what they get."""
