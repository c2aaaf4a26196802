"""Libraries that compute the networks of a model: one interface, `rfiscan.reconstruction.TileRuntime`."""
