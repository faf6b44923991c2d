"""Head pose, one stage: all heads of an image with box, score, rotation and expected error in one pass."""
