# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``python -m checks test`` or ``all``, from a check on; ``figures`` and ``proofs`` write files."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import proofs, report
from .catalogue import CHECKS, FAILED, REST, TEST, Check, RefusedError, chosen
from .run import Outcome, Run, end

CHECKOUT = Path(__file__).resolve().parents[3]
WORK = CHECKOUT / ".nox"
TIMES = WORK / "times.json"
FIGURES = Path(__file__).with_name("figures.json")
PROOFS = Path(__file__).with_name("proofs.txt")
TIERS = {"test": (TEST,), "all": (TEST, REST)}

# A line at least so often, so that nobody takes a long check for one that hangs. A log has fewer of them.
SAY_EVERY = 60.0 if sys.stdout.isatty() else 300.0
_MEMORY_OF_A_CHECK = 3 << 30
_INTERRUPTED = 130


def beside() -> int:
    """Return how many checks run at the same time, as far as there is free memory for them.

    One more than there are processors, since a scenario leaves one idle now and then.
    """
    return max(1, min(len(os.sched_getaffinity(0)) + 1, _free_memory() // _MEMORY_OF_A_CHECK))


def _free_memory() -> int:
    """Return the bytes that new processes may have: of the machine, or of the container."""
    available = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    limits = [int(available[1]) << 10] if available else []
    with contextlib.suppress(OSError, ValueError):
        # Of a container; "max" where it has no limit.
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return min(limits, default=_MEMORY_OF_A_CHECK)


def run_all(checks: list[Check], lanes: int) -> tuple[list[Outcome], list[str]]:
    """Run checks, so many beside each other, and say how each has ended.

    :returns: the outcomes of those that have ended, and the names of those that an interrupt has ended or kept from
        beginning.
    """
    logs = WORK / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    waiting, running, outcomes = list(checks), list[Run](), list[Outcome]()
    said = _say(
        f"{len(checks)} checks, up to {lanes} at a time, from {checks[0].name} to {checks[-1].name}; a line for each "
        f"when it ends. All of their output: {logs.relative_to(CHECKOUT)}/<check>.log"
    )
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
        _say(f"Interrupted: {', '.join(run.check.name for run in running)}. Ending what they have started.")
        reported = [outcome.check for outcome in outcomes]
        return outcomes, [check.name for check in checks if check not in reported]
    finally:
        end(running, "it was interrupted")
    return outcomes, []


def _say(text: str) -> float:
    print(text, flush=True)
    return time.monotonic()


def _keep(outcome: Outcome) -> None:
    times = report.load(TIMES)
    times[outcome.check.name] = report.rows(outcome)
    order = [check.name for check in CHECKS]
    report.save(TIMES, {name: times[name] for name in order if name in times})


def _passed() -> list[str]:
    return [name for name, row in report.load(TIMES).items() if row["passed"]]


def _run(checks: list[Check], lanes: int, tier: str, *, new: bool) -> int:
    if new:
        TIMES.unlink(missing_ok=True)
    before = [name for name in _passed() if name not in [check.name for check in checks]]
    began = time.monotonic()
    outcomes, interrupted = run_all(checks, lanes)
    times = report.load(TIMES)
    print("\n".join(["", *report.table(times)]))
    print(*report.slower(times, report.load(FIGURES)), sep="\n")
    for outcome in outcomes:
        if not outcome.passed:
            log = outcome.log.read_text(encoding="utf-8", errors="replace").splitlines()
            print("\n".join(["", *report.details(outcome, log)]))
    causes = {o.check.name: o.cause for o in outcomes if not o.passed}
    failed = [check.name for check in checks if check.name in causes]
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    verdict = f"failed: {', '.join(f'{name} ({causes[name]})' for name in failed)}" if failed else "all passed"
    verdict = f"interrupted: {', '.join(interrupted)}; {verdict}" if interrupted else verdict
    earlier = f"; passed in an earlier run: {', '.join(before)}" if before else ""
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed{earlier}")
    print(f"{verdict}, in {minutes} min {seconds} s")
    if failed:
        print(f"That one alone: .venv/bin/nox -s test_all -- --only {failed[0]}")
    if failed or interrupted:
        target = "test" if tier == TEST else "test-all"
        print(f"Those of make {target} that have not passed: make {target} FROM={FAILED}")
    return _INTERRUPTED if interrupted else int(bool(failed))


def _take_figures() -> None:
    """Take the times of the checks that have passed as figures; of all others those that are known stay.

    :raises RefusedError: none has passed.
    """
    passed = {name: row for name, row in report.load(TIMES).items() if row["passed"]}
    if not passed:
        raise RefusedError("Cannot take figures: no check has passed in this checkout. Run make test-all.")
    known = report.load(FIGURES)
    kept = {name: seconds for name, seconds in known.items() if name.partition(":")[0] not in passed}
    taken = {name: round(seconds) for name, seconds in report.flat(passed).items()}
    found = kept | taken
    figures = {name: found[name] for check in CHECKS for name in found if name.partition(":")[0] == check.name}
    report.save(FIGURES, figures)
    others = [name for name in figures if name in kept and ":" not in name]
    print(f"Taken: {', '.join(passed)}. Kept as they were: {', '.join(others) or 'none'}.")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Be the only run of this checkout: another one would use the same directories and the same laboratories.

    :raises RefusedError: there is another one.
    """
    with (WORK / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RefusedError(
                "Cannot run the checks: another run of them is at work in this checkout. Wait for its end, or end it."
            ) from None
        yield


def main() -> int:
    """Run what the arguments name."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # As KeyboardInterrupt, also where the shell that has started it ignores SIGINT.
        signal.signal(number, signal.default_int_handler)
    parser = argparse.ArgumentParser("checks", description=__doc__)
    parser.add_argument("tier", choices=[*TIERS, "figures", "proofs"], help="... or write what is known")
    parser.add_argument(
        "--from",
        dest="first",
        metavar="CHECK",
        default="",
        help=f"begin with this check, or with what 'test' has not run ({REST}); {FAILED}: all that have not passed",
    )
    parser.add_argument("--beside", type=int, default=beside(), help="how many run at the same time")
    parser.add_argument("--only", metavar="CHECK", nargs="+", default=[], help="of these, only those named")
    parser.add_argument("--dry", action="store_true", help="only look whether there is something to run")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    try:
        if options.tier == "figures":
            _take_figures()
            return 0
        if options.tier == "proofs":
            PROOFS.write_text(proofs.text(proofs.read(CHECKOUT)), encoding="utf-8")
            return 0
        checks = chosen(TIERS[options.tier], options.first, options.only, _passed())
        if options.dry:
            return 0
        with _alone():
            return _run(checks, options.beside, options.tier, new=not (options.first or options.only))
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
