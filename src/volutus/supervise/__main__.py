"""`python -m volutus.supervise --state-dir DIR`: the supervisor in the foreground, on a prepared state
directory.

`volutus up` prepares the directory and then becomes this. With `--stop GUESTS` it takes over what a killed
supervisor left and stops it in order; the word says what becomes of the guests.
"""

import os
import sys
from pathlib import Path

from volutus import settings
from volutus.supervise.child import Guests
from volutus.supervise.plan import plan
from volutus.supervise.supervisor import AlreadyRunning, Supervisor


def main() -> int:
    """Run until told to stop."""
    state_dir = Path(sys.argv[sys.argv.index("--state-dir") + 1])
    try:
        supervisor = Supervisor(plan(settings.load(state_dir, os.environ, {})))
        if "--stop" in sys.argv:
            supervisor.stop(Guests(sys.argv[sys.argv.index("--stop") + 1]))
        supervisor.run()
    except AlreadyRunning as error:
        sys.stderr.write(f"volutus: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
