"""The front: HTTP dialects. They know the wire (paths, field names, faults); the domains know none of it."""
