"""Measurements of labels, without a truth: sizes, intensities, shapes and neighbours."""
