"""Walk-forward windows: the days that are searched on, and the days held back after them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from arb_pipelines.backtest.splits import Split


class _Windows(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    gap_days: int = Field(
        0,
        ge=0,
        description="Days between train and test that neither uses: as many as a position or an "
        "indicator reaches over midnight.",
    )


class Single(_Windows):
    """One window that ends with the study."""

    kind: Literal["single"]
    train_days: int | None = Field(
        None, ge=1, description="Days searched on; all that gap and test leave if unset."
    )
    test_days: int = Field(0, ge=0, description="Last days of the study, held back.")


class Rolling(_Windows):
    """Windows of equal length, each ``step_days`` after the one before."""

    kind: Literal["rolling"]
    train_days: int = Field(ge=1, description="Days searched on, of each window.")
    test_days: int = Field(ge=1, description="Days held back, of each window.")
    step_days: int | None = Field(
        None, ge=1, description="Days from one window to the next; test_days if unset."
    )


class Anchored(_Windows):
    """Windows that all begin on the first day; each trains on ``step_days`` more."""

    kind: Literal["anchored"]
    train_days: int = Field(ge=1, description="Days searched on, of the first window.")
    test_days: int = Field(ge=1, description="Days held back, of each window.")
    step_days: int | None = Field(
        None, ge=1, description="Days from one window to the next; test_days if unset."
    )


Windows = Annotated[Single | Rolling | Anchored, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Window:
    """Days to search on and the later days held back, which a single window may lack.

    ``name`` is ``w00``, ``w01``, … in order of time.

    Raises:
        ConfigError: as ``Split``, if there are test days.
    """

    name: str
    train: tuple[date, ...]
    test: tuple[date, ...]
    gap_days: int

    def __post_init__(self) -> None:
        if self.test:
            Split(self.train, self.test, self.gap_days)  # refuses a leak


def windows_of(windows: Windows, first: date, last: date) -> tuple[Window, ...]:
    """Cut the days from ``first`` to ``last``, both included, into windows.

    Windows are counted from the first day, so a study that is given later days keeps
    the windows it has. Rolling and anchored windows whose test would end after
    ``last`` are not made; with the default step the tests follow each other
    without a hole, and fewer than ``step_days`` days are left over at the end.

    Raises:
        ValueError: there are too few days for one window; the message says how many
            it takes.
    """
    days = tuple(first + timedelta(days=n) for n in range((last - first).days + 1))
    if isinstance(windows, Single):
        return (_single(windows, days),)
    gap, test = windows.gap_days, windows.test_days
    found: list[Window] = []
    for end in range(windows.train_days, len(days) - gap - test + 1, windows.step_days or test):
        begin = 0 if isinstance(windows, Anchored) else end - windows.train_days
        tested = days[end + gap : end + gap + test]
        found.append(Window(f"w{len(found):02d}", days[begin:end], tested, gap))
    if not found:
        raise _too_few(windows.train_days + gap + test, days)
    return tuple(found)


def _single(windows: Single, days: tuple[date, ...]) -> Window:
    gap = windows.gap_days if windows.test_days else 0
    end = len(days) - windows.test_days - gap
    length = end if windows.train_days is None else windows.train_days
    if end < max(length, 1):
        raise _too_few(max(length, 1) + gap + windows.test_days, days)
    return Window("w00", days[end - length : end], days[end + gap :], gap)


def _too_few(needed: int, days: tuple[date, ...]) -> ValueError:
    return ValueError(f"a window takes {needed} days, but the study has {len(days)}")
