"""From torch to files that the device runs."""
