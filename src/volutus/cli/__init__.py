"""The command `volutus`: reads words and flags, calls one thing, shows what a person should see.

Modules of other layers are imported where a command needs them: `doctor`, `status`, `down` and `destroy`
work on a machine where nothing is installed, and the supervisor's start is not slowed by the web framework.
"""

import os
import sys

from volutus.cli.parser import parse
from volutus.errors import VolutusError

# The end of what a failed program said is where its reason stands.
DETAIL_LINES_MAX = 12


def main() -> int:
    """Run the command in `sys.argv`; the result is the exit status."""
    arguments = parse(sys.argv[1:])
    try:
        return int(arguments.run(arguments))
    except VolutusError as error:
        detail = "".join(f"\n  {line}" for line in error.detail.splitlines()[-DETAIL_LINES_MAX:])
        sys.stderr.write(f"volutus: {error.message}{detail}\n")
        return 1
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == "volutus":
            raise
        sys.stderr.write(
            f"volutus: the Python package {error.name} is not installed. Run `./volutus install` first.\n"
        )
        return 1
    except BrokenPipeError:
        # The reader (`| head`) has gone; nothing more may be written, not even by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("\nvolutus: interrupted\n")
        return 130
