"""Ranks and shards."""
