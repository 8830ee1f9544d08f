"""Tests of volutus/network."""
