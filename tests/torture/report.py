"""What a run found, for people: the last line, the table, and each finding."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from arb_pipelines.execution.state.machine import FOLLOWS
from tests.torture.audit import KINDS
from tests.torture.matrix import Row
from tests.torture.state_file import Step

#: Changes of state that a cycle may make, and that no crash of a session brings about. Its first
#: three states are one write, with the first order's intent; what a leg leaves is followed by
#: another order's intent, or the cycle fell short; and whatever had to be sold has failed.
BEYOND: Collection[Step] = (
    ("pending", "failed"),
    ("pending", "recovering"),
    ("validating", "failed"),
    ("validating", "recovering"),
    ("partially_filled", "completed"),
    ("panic_selling", "completed"),
)


def verdict(rows: Sequence[Row]) -> str:
    """Say in one line what all kills came to."""
    kills = sum(row.kills for row in rows)
    counted = (f"{kind} {sum(len(getattr(row.found, kind)) for row in rows)}" for kind in KINDS)
    return f"kills {kills}, {', '.join(counted)}"


def failed(rows: Sequence[Row]) -> bool:
    """Whether anything was found."""
    return any(row.found for row in rows)


def table(rows: Sequence[Row]) -> str:
    """Make the table of cases, as Markdown."""
    lines = [
        "| case | points | kills | cycles cut short | not reached | worst time to terminal, s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {row.points or 'random'} | {row.kills} | {row.cut} "
        f"| {len(row.not_reached)} | {row.worst_s:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def transitions(rows: Sequence[Row]) -> str:
    """Say which of the changes of state that a cycle may make were made, and which were not.

    What may follow what is the engine's own list: that nothing else was made is the store's to
    see to, and tested elsewhere.
    """
    made = {step for row in rows for step in row.steps}
    every = [(before, after) for before, afters in FOLLOWS.items() for after in sorted(afters)]
    passed = [step for step in every if step in made]
    beyond = [step for step in every if step not in made and step in BEYOND]
    missed = [step for step in every if step not in made and step not in BEYOND]
    return (
        f"Changes of state: {len(passed)} of {len(every)} passed.\n\n"
        f"- passed: {_listed(passed)}\n"
        f"- not passed, as in any session: {_listed(beyond)}\n"
        f"- not passed: {_listed(missed)}"
    )


def _listed(steps: Sequence[Step]) -> str:
    return ", ".join(f"{before or 'nothing'} > {after}" for before, after in steps) or "none"


def details(rows: Sequence[Row]) -> list[str]:
    """Give a line for each finding, and for each point that no run got to again."""
    found = [line for row in rows for line in row.found.lines()]
    return found + [
        f"not reached: [{row.name}] {point}" for row in rows for point in row.not_reached
    ]
