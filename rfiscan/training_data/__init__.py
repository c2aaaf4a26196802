"""What models learn from: real and simulated backgrounds, and tiles with interference."""
