"""Whom an incident concerns: who is on call, who is told, how it reaches them, and what they answer."""
