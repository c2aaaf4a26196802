"""Results on disk: rasters, polygons, a picture and a record, each whole or absent."""
