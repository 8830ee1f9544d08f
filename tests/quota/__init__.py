"""Tests of volutus/quota."""
