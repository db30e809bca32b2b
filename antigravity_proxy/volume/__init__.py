"""The credential volume: the desktop app's directory, read by private copies; ``writer`` alone adds to it."""
