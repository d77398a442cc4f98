"""The Numba backend: printer, loader, runtime, sparse sweeps."""
