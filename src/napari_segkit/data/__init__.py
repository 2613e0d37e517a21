"""What comes in and goes out: images, labels, files, samples."""
