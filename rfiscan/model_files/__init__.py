"""Models on disk: weights, cards and states of training."""
