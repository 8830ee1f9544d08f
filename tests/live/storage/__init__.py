"""A real guest that writes to its volumes while processes of the cloud are killed."""
