"""`nightdesk backup` and `nightdesk restore`: one archive with all that Nightdesk keeps."""
