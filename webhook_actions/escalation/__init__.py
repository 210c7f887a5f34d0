"""People and incidents: who is on call, who is notified, over which channel, and how they answer."""
