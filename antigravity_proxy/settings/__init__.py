"""Settings: one table, four sources, one frozen result."""
