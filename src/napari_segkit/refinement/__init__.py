"""Refinement: clean edges for what a model says. CRF, MRF, superpixels, clean-up."""
