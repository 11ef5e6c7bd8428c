# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``python -m checks test`` or ``all``, from a check on; ``figures`` and ``proofs`` write files."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from . import proofs, report
from .catalogue import CHECKS, REST, TEST, Check, UnknownCheckError, chosen
from .run import Outcome, Run

CHECKOUT = Path(__file__).resolve().parents[3]
WORK = CHECKOUT / ".nox"
TIMES = WORK / "times.json"
FIGURES = Path(__file__).with_name("figures.json")
PROOFS = Path(__file__).with_name("proofs.txt")
TIERS = {"test": (TEST,), "all": (TEST, REST)}

# A line at least so often, so that nobody takes a long check for one that hangs. A log has fewer of them.
SAY_EVERY = 60.0 if sys.stdout.isatty() else 300.0
_MEMORY_OF_A_CHECK = 3 << 30


def beside() -> int:
    """Return how many checks run at the same time, as far as there is memory for them.

    One more than there are processors, since a scenario leaves one idle now and then.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((os.cpu_count() or 1) + 1, memory // _MEMORY_OF_A_CHECK))


def run_all(checks: list[Check], lanes: int) -> list[Outcome]:
    """Run checks, so many beside each other, and say how each has ended."""
    logs = WORK / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    waiting, running, outcomes = list(checks), list[Run](), list[Outcome]()
    said = time.monotonic()
    try:
        while waiting or running:
            while waiting and len(running) < lanes:
                running.append(Run(waiting.pop(0), CHECKOUT, logs))
            running[0].done.wait(0.5)
            for ended in [run for run in running if run.done.is_set()]:
                running.remove(ended)
                assert ended.outcome is not None
                outcomes.append(ended.outcome)
                _keep(ended.outcome)
                said = _say(report.line(ended.outcome))
            if time.monotonic() > said + SAY_EVERY and running:
                now = ", ".join(f"{run.check.name} ({run.step}, {run.seconds:.0f} s)" for run in running)
                said = _say(f"... {now}")
    except KeyboardInterrupt:
        for run in running:
            run.end("it was interrupted")
        raise
    return outcomes


def _say(text: str) -> float:
    print(text, flush=True)
    return time.monotonic()


def _keep(outcome: Outcome) -> None:
    times = report.load(TIMES)
    times[outcome.check.name] = report.rows(outcome)
    order = [check.name for check in CHECKS]
    report.save(TIMES, {name: times[name] for name in order if name in times})


def _run(checks: list[Check], lanes: int, *, new: bool) -> int:
    if new:
        TIMES.unlink(missing_ok=True)
    began = time.monotonic()
    outcomes = run_all(checks, lanes)
    times = report.load(TIMES)
    print("\n".join(["", *report.table(times)]))
    print(*report.slower(times, report.load(FIGURES)), sep="\n")
    for outcome in outcomes:
        if not outcome.passed:
            log = outcome.log.read_text(encoding="utf-8", errors="replace").splitlines()
            print("\n".join(["", *report.details(outcome, log)]))
    failed = [check.name for check in checks if any(o.check == check and not o.passed for o in outcomes)]
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    print(f"{verdict}, in {minutes} min {seconds} s")
    if failed:
        print(f"That one alone: .venv/bin/nox -s test_all -- --only {failed[0]}")
        print(f"To go on from there: make test-all FROM={failed[0]}")
    return 1 if failed else 0


def main() -> int:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser("checks", description=__doc__)
    parser.add_argument("tier", choices=[*TIERS, "figures", "proofs"], help="... or write what is known")
    parser.add_argument(
        "--from",
        dest="first",
        metavar="CHECK",
        default="",
        help=f"begin with this check, or with what 'test' has not run ({REST})",
    )
    parser.add_argument("--beside", type=int, default=beside(), help="how many run at the same time")
    parser.add_argument("--only", metavar="CHECK", nargs="+", default=[], help="of these, only those named")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    if options.tier == "figures":
        passed = {name: row for name, row in report.load(TIMES).items() if row["passed"]}
        report.save(FIGURES, {name: round(seconds) for name, seconds in report.flat(passed).items()})
        return 0
    if options.tier == "proofs":
        PROOFS.write_text(proofs.text(proofs.read(CHECKOUT)), encoding="utf-8")
        return 0
    try:
        return _run(
            chosen(TIERS[options.tier], options.first, options.only),
            options.beside,
            new=not (options.first or options.only),
        )
    except UnknownCheckError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. The laboratories that were up: see tests/lab/lab status.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
