"""The loss that bots and accounts may still take, by the limits of the settings."""
