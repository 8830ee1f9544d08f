"""Neutron's API over the verbs of the network domain."""
