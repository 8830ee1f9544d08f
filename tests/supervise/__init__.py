"""The supervisor, with small programs as children and with the real daemons."""
