"""What `evaluate` and `compare` are made of."""
