"""Models with arrows, taken apart into ordinary ones: `network` and `split`."""
