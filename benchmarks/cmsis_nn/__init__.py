"""Our kernels beside CMSIS-NN's."""
