"""One file per command: each reads from top to bottom what the command does."""
