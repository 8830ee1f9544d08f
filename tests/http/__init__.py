"""Tests of volutus/http."""
