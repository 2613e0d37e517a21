"""Widgets and layers: the only part of napari-segkit that knows Qt and napari."""
