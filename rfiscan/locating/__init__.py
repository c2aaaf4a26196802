"""Where emitters stand: rows of stripes, lines of position, which of them belong together, places and their errors."""
