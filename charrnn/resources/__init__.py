"""The resources of the machine: how many cores, how much memory and how many threads of BLAS this process may use."""
