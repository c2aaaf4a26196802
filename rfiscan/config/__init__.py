"""Settings of a training run: what there is (schema), where they come from (sources), how they are written (text)."""
