"""The admin listener: signing in, for people with a browser."""
