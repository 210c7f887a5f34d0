"""The drill: real alerts of a synthetic bot, followed from their metric to the person who answers."""
