"""Makes a machine and a state directory ready: packages, virtual environment, directories, secrets, first
image.

`launch`, `packages`, `environment` and `progress` run before anything is installed: they use the standard
library alone. Everything here may be repeated and does nothing the second time.
"""
