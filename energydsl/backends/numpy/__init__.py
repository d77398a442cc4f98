"""The NumPy backend: printer, loader, runtime."""
