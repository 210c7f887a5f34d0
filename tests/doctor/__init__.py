"""`nightdesk doctor`: each check finds its planted fault."""
