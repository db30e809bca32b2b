"""Code Assist's own: which project, which models, who signs in, and the table of what follows a failure. Pure."""
