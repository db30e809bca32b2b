"""The signals that an operator can observe: each request's outcome, metrics, traces, the process's own state."""
