"""What `nightdesk doctor` finds: for each check a fault is planted, and seen."""
