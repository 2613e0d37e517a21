"""Method and settings that suit images, labels, device and time, each with its reason."""
