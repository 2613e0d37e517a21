"""From labels to a trained network: patches, losses, the loop."""
