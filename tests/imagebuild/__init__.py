"""Tests of volutus/imagebuild, on images really built from Debian's archive."""
