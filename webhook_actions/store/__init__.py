"""Everything in PostgreSQL: incidents, runs, escalation, deliveries, holds and the audit."""
