"""Tests of volutus/network/ovn."""
