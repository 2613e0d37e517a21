"""Refinement: from what a model says to a result with clean edges. CRF, MRF, superpixels, clean-up."""
