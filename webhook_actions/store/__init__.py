"""What is kept in PostgreSQL: incidents, tries, escalation, letters, holds and the audit."""
