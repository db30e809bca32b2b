"""One client request from canonical call to finished answer: lease, attempt, next attempt."""
