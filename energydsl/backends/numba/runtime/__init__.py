"""What generated Numba kernels stand on, beside the NumPy runtime, a room for each kind of thing.

Every region that runs in parallel is one of ours: products are cut into rows that each thread multiplies by itself,
with the BLAS library held to one thread (`single_threaded_blas`), so that the two never compete for a core.

The text of the rooms, one after the other, is copied into standalone modules; nothing here imports them.
"""
