"""What is done about an incident: its jobs, its ladder of actions, and what proves that one worked."""
