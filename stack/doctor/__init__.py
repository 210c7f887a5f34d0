"""The checks of `nightdesk doctor`: everything that must work for people and bots to get help."""
