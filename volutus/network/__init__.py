"""The network domain."""
