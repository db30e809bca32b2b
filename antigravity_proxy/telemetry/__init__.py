"""What an operator can see from outside: what came of each request, metrics, traces, the process's own state."""
