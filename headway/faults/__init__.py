"""Faults put into a recorded bag on purpose: is each one found, said, survived safely, and recovered from?"""
