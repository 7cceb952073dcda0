"""`twotier doctor`: is everything set up as it should be, and if not, what to change."""

from __future__ import annotations

import typer


def doctor() -> None:
    """Check the settings, ports, clock, keys, versions, libraries and threads of this machine, and say what to change.

    It changes nothing and may run beside what is serving. The exit code is 1 if anything is wrong.

    Example: `twotier doctor`
    """
    from twotier.cli.checks import check_all

    bad = 0
    for finding in check_all():
        bad += not finding.good
        print(f"{'ok ' if finding.good else 'BAD'}  {finding.what}", flush=True)
    if bad:
        print(f"\n{bad} to mend")
        raise typer.Exit(1)
    print("\nall is well")
