"""Predict on the workers of a Dask cluster.

The client reads the image, divides it into blocks and writes what the workers give. A worker needs
neither the files of the client nor the rest of the image.
"""
