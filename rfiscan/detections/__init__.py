"""From a mask to detections: regions, stripes, and what is known of each."""
