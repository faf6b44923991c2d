"""Readers of labelled heads in the forms in which data sets are published; one module for each form."""
