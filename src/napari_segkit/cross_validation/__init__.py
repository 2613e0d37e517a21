"""Cross-validation: a model for each fold of a training set, evaluated on that fold."""
