"""For colcon, which looks for this file; everything is in setup.cfg."""

from setuptools import setup

setup()
