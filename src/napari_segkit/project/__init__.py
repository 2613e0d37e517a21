"""A training set with its labels, model and settings in one folder."""
