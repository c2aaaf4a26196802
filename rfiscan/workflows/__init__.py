"""One file per command: each reads from top to bottom what it does. Sub-packages hold the parts of the larger ones."""
