"""What `detect` does with one scene."""
