"""The Image API, version 2, as Glance speaks it. The domain is `volutus.image`."""

from volutus.http.openstack.image.routes import dialect

__all__ = ["dialect"]
