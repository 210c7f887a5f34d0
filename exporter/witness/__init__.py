"""The witness compares an exchange's report of an account with its bots' reports."""
