"""The verbs of the network domain."""
