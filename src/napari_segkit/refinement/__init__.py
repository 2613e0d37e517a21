"""Refine predictions: fully connected CRF, grid MRF, superpixel voting, clean-up."""
