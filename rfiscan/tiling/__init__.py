"""Scenes cut into tiles, run through a model, and put together again."""
