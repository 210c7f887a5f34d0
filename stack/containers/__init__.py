"""`nightdesk compose`: what docker-compose.yml needs beside itself to watch the bots of the settings."""
