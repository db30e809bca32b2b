"""The credential volume: reads the desktop app's files, never touches them."""
