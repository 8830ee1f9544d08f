"""`python -m volutus`: the command line."""

import sys

from volutus.cli import main

sys.exit(main())
