"""The drill: real alerts of a synthetic bot, traced from their metric to the person who answers."""
