"""Metrics of predictions. A kind of metrics is a module here and an entry of `kinds.KINDS`."""
