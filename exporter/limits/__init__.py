"""How much bots and accounts may still lose, by the limits of the settings."""
