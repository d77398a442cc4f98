"""Compiled models, ready to run."""
