"""The placement domain."""
