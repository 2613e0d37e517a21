"""Objects: from labels to what a network learns, and from what it says to objects."""
