"""The image domain."""
