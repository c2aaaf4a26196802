"""Figures of merit of anomaly maps, masks and boxes against truth, with intervals from a bootstrap over scenes."""

from rfiscan.metrics.ranking import average_precision, detection_at_far

__all__ = ["average_precision", "detection_at_far"]
