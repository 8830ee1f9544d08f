"""`volutus doctor`: shows what `setup.examination` finds."""

import argparse
import sys

from volutus import settings as settings_module
from volutus.setup.examination import Verdict, examine

_MARKS = {Verdict.GOOD: "ok  ", Verdict.WORSE: "note", Verdict.BAD: "BAD "}


def doctor(arguments: argparse.Namespace) -> int:
    """Exit status 1 if something must be mended first."""
    settings = settings_module.current(arguments.state_dir)
    verdicts = []
    for finding in examine(settings):
        verdicts.append(finding.verdict)
        sys.stdout.write(f"{_MARKS[finding.verdict]}  {finding.subject:<11} {finding.text}\n")
        if finding.mend:
            sys.stdout.write(f"{'':18}-> {finding.mend}\n")
        sys.stdout.flush()
    if Verdict.BAD in verdicts:
        sys.stdout.write("\nWhat is marked BAD has to be mended before `volutus up`.\n")
        return 1
    sys.stdout.write("\nNothing stands in the way of `volutus up`.\n")
    return 0
