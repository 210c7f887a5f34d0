"""Notifications to people and programs: real PostgreSQL, real SMTP, and services over real HTTP."""
