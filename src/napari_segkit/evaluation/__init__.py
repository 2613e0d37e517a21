"""How good a prediction is. A kind of figures is a module here and a line in `report.KINDS`."""
