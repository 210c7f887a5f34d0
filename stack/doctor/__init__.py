"""What `nightdesk doctor` looks at: all that has to be well for people to be told and bots helped."""
