"""Labelled synthetic people and street scenes: anny bodies drawn with moderngl, exact head labels."""
