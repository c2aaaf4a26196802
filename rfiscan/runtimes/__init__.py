"""Libraries that compute the networks of a model: one interface, `rfiscan.tiling.reconstruction.TileRuntime`."""
