"""A stand-in for CuPy on a machine without a GPU: device arrays that refuse the host, and CUDA kernels built for the host."""
