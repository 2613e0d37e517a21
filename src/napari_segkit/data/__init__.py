"""Sample images with scribbles and truth."""
