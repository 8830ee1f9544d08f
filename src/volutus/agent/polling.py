"""What to ask the control plane next, and when its answers make up a whole document.

A document too long for one answer comes in parts, none of which says `full`: they are gathered until an
answer brings nothing more. Before that nothing may be concluded from what a document does not contain.
"""

from volutus.wire import Assignment, Desired


class Polling:
    """The state of one host's polling. Ask with `seen`, and wait only when `complete`."""

    def __init__(self) -> None:
        self.seen = 0
        self.complete = False
        self._gathered: list[Assignment] = []

    def answered(self, desired: Desired) -> Desired | None:
        """What to hand on of an answer: nothing if it brought nothing, or is not whole yet."""
        if desired.full:
            self._gathered = []
            self.seen, self.complete = desired.generation, True
            return desired
        if desired.generation < self.seen:
            # A control plane restored from a backup counts from before.
            self._gathered = []
            self.seen, self.complete = 0, False
            return None
        self.seen = desired.generation
        if self.complete:
            return desired if desired.assignments else None
        self._gathered += desired.assignments
        if desired.assignments:
            return None
        gathered, self._gathered = self._gathered, []
        self.complete = True
        return Desired(generation=self.seen, full=True, assignments=gathered)
