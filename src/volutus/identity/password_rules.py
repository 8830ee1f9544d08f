"""The operator's rules on passwords: strength, history, age, and how long guessing is borne.

All come from the settings; each is off where its number is 0 or its text empty. A password that an
administrator sets is held to the strength alone: history and least age bind a user's own changes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from volutus.errors import Invalid
from volutus.settings import Settings

# Each costs a hash to compare with; more than two dozen passwords are nobody's habit.
HISTORY_MAX = 24


@dataclass(frozen=True)
class PasswordRules:
    """`history` counts the present password. `lockout_failures` wrong ones in a row lock a user for
    `lockout`. Raises Invalid where the pattern is no regular expression."""

    history: int = 0
    max_age: timedelta = timedelta(0)
    min_age: timedelta = timedelta(0)
    change_on_first_use: bool = False
    pattern: str = ""
    pattern_description: str = ""
    lockout_failures: int = 10
    lockout: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        if not 0 <= self.history <= HISTORY_MAX:
            raise Invalid(f"password_history is 0 to {HISTORY_MAX}.", field="password_history")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise Invalid(f"password_pattern: {error}", field="password_pattern") from error

    @classmethod
    def from_settings(cls, settings: Settings) -> "PasswordRules":
        """What the operator chose."""
        return cls(
            settings.password_history,
            timedelta(days=settings.password_max_age_days),
            timedelta(days=settings.password_min_age_days),
            settings.password_change_on_first_use,
            settings.password_pattern,
            settings.password_pattern_description,
            settings.lockout_failures,
            timedelta(seconds=settings.lockout_s),
        )

    def require_strength(self, password: str) -> None:
        """Raise Invalid where the password does not fit the pattern."""
        if self.pattern and re.search(self.pattern, password) is None:
            said = self.pattern_description or f"it must match {self.pattern}"
            raise Invalid(f"The password does not match the requirements: {said}.", field="user.password")

    def expires_at(self, now: datetime, options: Mapping[str, Any], *, self_service: bool) -> datetime | None:
        """When a password set now expires: at once where an administrator set it and the user shall change
        it on first use."""
        first = self.change_on_first_use and not options.get("ignore_change_password_upon_first_use")
        if first and not self_service:
            return now
        if self.max_age and not options.get("ignore_password_expiry"):
            return now + self.max_age
        return None

    def is_locked(self, failures: int | None, failed_at: datetime | None, now: datetime) -> bool:
        """Whether so many failures so lately lock the user."""
        return (
            self.lockout_failures > 0
            and failures is not None
            and failed_at is not None
            and failures >= self.lockout_failures
            and failed_at > now - self.lockout
        )
