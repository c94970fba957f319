"""What the twins of several kernels share."""
