"""Learned forecasts of pedestrians: network, training data, training, export."""
