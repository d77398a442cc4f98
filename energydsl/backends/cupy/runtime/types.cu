// What the CUDA kernels of every model stand on. FLOAT and SINGLE are defined before this text.
//
// A family is a struct of the functions log_partition, mean, variance and sample of one unit, printed from the family's
// formulas. Kernels are templates over it. `word` counters of the random stream: see Stream in the NumPy runtime.

typedef unsigned int word;
typedef unsigned long long wide;
typedef long long place;

#define WORDS (SINGLE ? 4 : 2)
