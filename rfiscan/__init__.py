"""Find radio-frequency interference (RFI) in Sentinel-1 scenes, without labels."""

__version__ = "0.1.0"
