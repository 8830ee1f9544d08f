"""The quota domain."""
