"""`nightdesk compose`: the files that docker-compose.yml needs to watch the bots in the settings."""
