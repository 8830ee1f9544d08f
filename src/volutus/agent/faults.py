"""What can go wrong on a host, in words: one class, because nobody decides by the kind of fault.

A fault is retried later with growing pauses, and reported meanwhile.
"""


class HostFault(Exception):
    """An action did not succeed. `message` may be read by the tenant; `detail` is the operator's."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(f"{message} ({detail})" if detail else message)
        self.message = message
        self.detail = detail
