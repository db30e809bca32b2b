"""The I/O shell towards Google: connections, exchanges, OAuth."""
