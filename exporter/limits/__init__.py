"""The loss that the settings' limits still allow to bots and accounts."""
