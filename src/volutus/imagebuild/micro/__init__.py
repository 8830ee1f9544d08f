"""The image `micro`: a Linux of 40 MB that boots to SSH in seconds. `files/` is laid over its root."""
