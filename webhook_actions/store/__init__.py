"""What is kept in PostgreSQL: incidents, tries, escalation, deliveries, holds and the audit."""
