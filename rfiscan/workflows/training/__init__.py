"""What `train`, `sweep`, `tune` and `report` are made of."""
