"""Arithmetic on grids of pixels, many of which do not fit into memory."""
