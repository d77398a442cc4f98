"""Objectives, optimisers, the loop, checkpoints."""
