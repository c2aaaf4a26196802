"""What Sentinel-1 measures and how its products are laid out: beams, bursts, sub-swaths, calibration."""
