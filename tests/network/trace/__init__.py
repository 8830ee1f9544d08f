"""Tests of volutus/network/trace."""
