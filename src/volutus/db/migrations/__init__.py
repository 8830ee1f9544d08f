"""The schema's history, one subject a file, each valid for the program version before it."""
