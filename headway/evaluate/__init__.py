"""Accuracy on labelled data, through the same stages that run on the device."""
