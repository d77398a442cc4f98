"""The CuPy backend: printers, loader, runtimes, sparse sweeps."""
