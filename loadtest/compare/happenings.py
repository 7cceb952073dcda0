"""What callers of twotier saw while something happened behind it, as a section of the page."""

from __future__ import annotations

from loadtest.compare.bars import Systems, look
from loadtest.compare.tables import number, table


def happenings(systems: Systems) -> str:
    """The section of the page; empty if it was not looked at."""
    found = systems.get("twotier", {})
    if not {"killed", "stopped", "promoted"} <= found.keys():
        return ""
    moments = {
        "the only model server is killed, and started again 2 s later": ("killed", "serves_after_seconds"),
        "the model server hangs for 5 s": ("stopped", "serves_after_seconds"),
        "a version is promoted": ("promoted", "serves_after_seconds", "promotion"),
        "the one before is promoted again": ("promoted", "serves_after_seconds", "roll-back"),
    }
    rows = (
        (
            what,
            ", ".join(f"{count:,} x {status}" for status, count in (look(found, path[0], "answers") or {}).items()) or "–",
            number(look(found, *path)),
        )
        for what, path in moments.items()
    )
    refused, up = look(found, "killed", "refused_ms") or {}, found.get("up_seconds", {})
    return "\n\n".join(
        (
            "## When something happens",
            "Eight callers ask both tiers, each call with a second's time: all the while, or, of a server that hangs, once. The last\n"
            "column is how long it takes from the server's return to the first right answer, or from the order to the first by the\n"
            "version that is promoted.",
            table(("what", "answers", "seconds"), rows),
            f"While the model server is gone, half of the callers are refused within {number(refused.get('p50'))} ms, 99 of 100 within\n"
            f"{number(refused.get('p99'))} ms. From `twotier up` to the first right answer it takes {number(up.get('first'))} s over raw\n"
            f"data alone, and {number(up.get('again'))} s once there are versions.",
        )
    )
