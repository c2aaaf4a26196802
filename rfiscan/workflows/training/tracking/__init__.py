"""Training runs told to experiment trackers: TensorBoard, ClearML, MLflow; one file each, loaded only if wanted."""
