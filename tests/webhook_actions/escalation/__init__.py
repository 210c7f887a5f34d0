"""People are told, and programs: real PostgreSQL, real SMTP, and services over real HTTP."""
