"""The rational activations and their kernels."""
