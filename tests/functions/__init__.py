"""Tests of the table of elementary functions."""
