"""From a trained model and an image to labels, tile by tile."""
