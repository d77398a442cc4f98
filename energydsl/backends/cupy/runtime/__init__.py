"""What generated CuPy kernels stand on, beside the NumPy runtime, a room for each kind of thing, in Python and in CUDA.

Everything runs on one stream (`single_threaded_blas`). Products go to cuBLAS, small ones and captured ones to a kernel of
ours; draws, gains and steps are CUDA kernels, generated from the formulas of the domains.

The text of the rooms, one after the other, is copied into standalone modules; nothing here imports them.
"""
