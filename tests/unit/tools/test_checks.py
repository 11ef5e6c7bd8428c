# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks run beside each other; each has its line, its times, and its place in a tier."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest
from checks import catalogue, processor_time, proofs, report
from checks.catalogue import CHECKS, REST, TEST
from checks.laboratory import Laboratory
from checks.run import Cost, Outcome
from checks.steps import Steps, count_of_tests, task

ROOT = Path(__file__).resolve().parents[3]


def librbd_modules() -> set[str]:
    """The modules whose own work is done over Ceph's bindings, rather than by the kernel or the files of a host."""
    adapters = re.compile(
        r"^from \.\.module_utils\._system\.\w+ import .*\b(Librbd|Cluster|Monitor)[A-Z]", re.MULTILINE
    )
    modules = (ROOT / "plugins" / "modules").glob("[!_]*.py")
    return {path.stem for path in modules if adapters.search(path.read_text(encoding="utf-8"))}


class TestCatalogue:
    def test_every_name_is_there_once(self) -> None:
        names = [check.name for check in CHECKS]
        assert sorted(set(names)) == sorted(names)

    def test_every_session_is_one_of_nox(self) -> None:
        defined = re.findall(
            r"^@nox\.session\ndef (\w+)", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert {check.session for check in CHECKS} <= set(defined)

    def test_every_scenario_is_a_check(self) -> None:
        scenarios = {path.parent.name for path in ROOT.glob("extensions/molecule/*/molecule.yml")}
        checks = {check.arguments[-1] for check in CHECKS if check.session == "molecule"}
        assert checks == scenarios, "add a line for it to CHECKS in tests/tools/checks/catalogue.py"

    def test_no_laboratory_is_shared(self) -> None:
        laboratories = [check.laboratory for check in CHECKS if check.laboratory]
        assert len(set(laboratories)) == len(laboratories)

    def test_the_first_tier_has_a_file_of_integration_for_each_module_that_librbd_serves(self) -> None:
        files = [ROOT / path for path in catalogue.INTEGRATION_SHORT]
        served = librbd_modules()
        assert served
        assert {match[1] for path in files if (match := re.match(r"test_(rbd_[a-z]+)", path.stem))} == served
        text = "".join(path.read_text(encoding="utf-8") for path in files)
        # What only reads has nothing to repeat.
        assert {name for name in served if f'ritual("{name}", ' in text} == served - {"rbd_info"}

    @pytest.mark.parametrize(
        ("first", "expected"),
        [
            ("", [check.name for check in CHECKS]),
            (CHECKS[0].name, [check.name for check in CHECKS]),
            ("boot", [check.name for check in CHECKS if check.tier == REST]),
            (REST, [check.name for check in CHECKS if check.tier == REST]),
            (CHECKS[-1].name, [CHECKS[-1].name]),
        ],
    )
    def test_from_begins_with_a_check_or_a_tier(self, first: str, expected: list[str]) -> None:
        assert [check.name for check in catalogue.chosen((TEST, REST), first)] == expected

    def test_a_name_that_no_check_has_is_refused(self) -> None:
        with pytest.raises(catalogue.RefusedError, match=r"Cannot run moleculr: the checks are default, .*"):
            catalogue.chosen((TEST, REST), "moleculr")

    def test_only_those_named_are_run_in_the_usual_order(self) -> None:
        assert [check.name for check in catalogue.chosen((TEST, REST), only=["many", "lint"])] == ["lint", "many"]
        with pytest.raises(catalogue.RefusedError):
            catalogue.chosen((TEST, REST), only=["lint", "nothing"])

    @pytest.mark.parametrize(
        ("first", "only"), [("boot", ["lint"]), (REST, ["unit", "lint"]), ("", [TEST]), ("", [REST, "lint"])]
    )
    def test_to_run_nothing_is_refused(self, first: str, only: list[str]) -> None:
        with pytest.raises(catalogue.RefusedError, match=r"^Cannot run "):
            catalogue.chosen((TEST, REST), first, only)

    def test_those_that_have_not_passed(self) -> None:
        passed = [check.name for check in CHECKS if check.name not in {"unit", "many"}]
        assert [check.name for check in catalogue.chosen((TEST, REST), "failed", (), passed)] == ["unit", "many"]
        assert [check.name for check in catalogue.chosen((TEST,), "failed", (), passed)] == ["unit"]
        with pytest.raises(catalogue.RefusedError, match="all have passed"):
            catalogue.chosen((TEST, REST), "failed", (), [check.name for check in CHECKS])

    def test_a_check_of_another_tier_is_refused(self) -> None:
        with pytest.raises(catalogue.RefusedError):
            catalogue.chosen((TEST,), "faults")


class TestProofs:
    STEPS = ("create", "verify tests/seen", "verify tests/gone", "verify tests/seen", "verify tests/empty")

    def test_the_list_in_the_repository_is_that_of_the_checkout(self) -> None:
        kept = (ROOT / "tests/tools/checks/proofs.txt").read_text(encoding="utf-8")
        assert proofs.text(proofs.read(ROOT)) == kept, "write it again: .venv/bin/nox -s proofs"

    def test_every_test_is_run_by_a_check(self) -> None:
        assert [proof.path for proof in proofs.read(ROOT) if not proof.checks] == []

    def test_every_step_of_a_sequence_is_there(self) -> None:
        assert proofs.missing_steps(ROOT) == []

    def test_a_test_that_no_sequence_verifies_is_noticed(self, tmp_path: Path) -> None:
        for check in CHECKS:
            if check.session == "molecule":
                scenario = tmp_path / "extensions/molecule" / check.arguments[-1]
                (scenario / "tests/seen").mkdir(parents=True)
                (scenario / "tests/unseen").mkdir()
                (scenario / "tests/empty").mkdir()
                steps = "".join(f"    - {step}\n" for step in self.STEPS)
                (scenario / "molecule.yml").write_text(f"scenario:\n  test_sequence:\n{steps}")
                (scenario / "tests/seen/test_a.py").write_text(
                    "def test_one(): pass\ndef help(): pass\nclass TestTwo:\n    def test_two(self): pass\n"
                )
                (scenario / "tests/empty/test_c.py").write_text("def help(): pass\n")
                (scenario / "tests/unseen/test_b.py").write_text("def test_three(): pass\n")
        found = {proof.path.removeprefix("extensions/molecule/default/"): proof for proof in proofs.read(tmp_path)}
        assert found["tests/seen/test_a.py"].lines() == [
            "extensions/molecule/default/tests/seen/test_a.py: default", "    test_one", "    TestTwo.test_two",
        ]  # fmt: skip
        assert found["tests/unseen/test_b.py"].checks == ()
        assert found["molecule.yml"].tests == self.STEPS
        assert proofs.missing_steps(tmp_path)[:2] == [
            "extensions/molecule/default/tests/gone: a sequence names it",
            "extensions/molecule/default/tests/empty: a sequence names it",
        ]

    def test_a_file_of_integration_is_run_once(self) -> None:
        found = [proof for proof in proofs.read(ROOT) if proof.path.startswith("tests/integration/")]
        assert {len(proof.checks) for proof in found} == {1}


@pytest.mark.parametrize(
    ("matrix", "executing"),
    [
        ("INFO     faults > discovery: scenario test matrix: {}", "INFO     faults > {}: Executing"),
        (
            "\x1b[36mINFO    \x1b[0m \x1b[32mfaults\x1b[0m ➜ \x1b[33mdiscovery\x1b[0m: scenario test matrix: {}",
            "\x1b[36mINFO    \x1b[0m \x1b[32mfaults\x1b[0m ➜ \x1b[33m{}\x1b[0m: \x1b[36mExecuting\x1b[0m",
        ),
    ],
    ids=["plain", "coloured"],
)
def test_steps_are_named_with_their_arguments(matrix: str, executing: str) -> None:
    steps = Steps()
    sequence = ["prepare", "side_effect a.yml", "verify tests/a", "side_effect b.yml", "cleanup"]
    assert steps.begun(matrix.format(", ".join(sequence)) + "\n") is None
    begun = [steps.begun(executing.format(step.split()[0]) + "\n") for step in sequence]
    assert begun == sequence
    assert steps.begun("TASK [A task: Executing] ***\n") is None
    assert steps.begun(executing.format("destroy")) == "destroy"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("===== 2929 passed, 11 skipped in 378.45s (0:06:18) =====", (2929, 11)),
        ("  \x1b[2m│\x1b[0m ============================== 12 passed in 7.70s", (12, 0)),
        ("1 failed, 2926 passed, 11 skipped, 3 warnings in 183.57s", (2926, 11)),
        ("8 passed, 0 failed", (0, 0)),
        ("it passed in 3 s", (0, 0)),
    ],
)
def test_tests_are_counted(line: str, told: tuple[int, int]) -> None:
    assert count_of_tests(line) == told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  \x1b[2m│\x1b[0m TASK [Unmap them]", "Unmap them"),
        ("TASK [cephclient.rbd.rbdmap : Map [all]] *****", "cephclient.rbd.rbdmap : Map [all]"),
        ("  │ TASK [cephclient.rbd.rbdmap : Grow what", "cephclient.rbd.rbdmap : Grow what"),
        ("MULTITASK [it]", ""),
        ("PLAY [all]", ""),
    ],
)
def test_a_task_is_named(line: str, told: str) -> None:
    assert task(line + "\n") == told


def test_a_laboratory_that_does_not_answer_is_told_as_such() -> None:
    lines = Laboratory(ROOT, "nothing").what_runs()
    assert lines == ["ceph1 runs:", "lab: There is no laboratory for this checkout. Run 'lab up'."]


class TestProcessorTime:
    @pytest.mark.parametrize("name", ["python3", "a (strange) name", "x) S 1 2"])
    def test_the_name_of_a_process_may_have_brackets(self, name: str) -> None:
        fields = ["S", "42", *["0"] * 9, "100", "50", "25", "25", "20", "0", "1", "0", "777", *["0"] * 20]
        process = processor_time.parse_stat(7, f"7 ({name}) {' '.join(fields)}\n")
        assert (process.pid, process.parent, process.started) == (7, 42, 777)
        assert process.seconds == pytest.approx(200 / processor_time._TICKS)

    def test_children_and_what_has_ended_are_counted(self) -> None:
        burn = "import time\nwhile time.process_time() < 0.5: pass"
        script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); sys.stdin.read()"
        meter = processor_time.Meter()
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
            deadline = time.monotonic() + 60
            while meter.seconds < 0.5 and time.monotonic() < deadline:
                meter.look(process.pid, processor_time.processes())
        used = meter.seconds
        meter.look(process.pid, processor_time.processes())
        assert 0.5 <= used < 30
        assert meter.seconds == used


class TestReport:
    TIMES: ClassVar[report.Times] = {
        "lint": {"tier": TEST, "passed": True, "seconds": 60, "controller": 50, "guests": 0, "cluster": 0, "steps": {}},
        "many": {
            "tier": REST, "passed": True, "seconds": 100, "controller": 30, "guests": 90, "cluster": 5,
            "steps": {
                "converge": {"seconds": 80, "controller": 20, "guests": 80, "cluster": 4},
                "cleanup": {"seconds": 3, "controller": 1, "guests": 1, "cluster": 0},
            },
        },
    }  # fmt: skip

    def test_the_table_has_checks_and_long_steps(self) -> None:
        lines = [" ".join(line.split()) for line in report.table(self.TIMES)]
        assert lines[1:] == [
            "lint 60 50 0 0", "many 100 30 90 5", "converge 80 20 80 4", "all of them, one after another 160 80 90 5",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("figures", "named"),
        [
            ({}, []),
            ({"lint": 60, "many: converge": 80}, []),
            ({"lint": 41}, []),
            ({"lint": 39}, ["lint took 60 s, 1.5 times the 39 s known."]),
            ({"many: converge": 40}, ["many: converge took 80 s, 2.0 times the 40 s known."]),
            ({"many: cleanup": 1}, []),
        ],
    )
    def test_a_step_that_has_become_much_slower_is_named(self, figures: dict[str, float], named: list[str]) -> None:
        assert report.slower(self.TIMES, figures) == named

    def test_there_is_a_figure_of_every_check(self) -> None:
        """Without one, the check could become slower for ever, unseen."""
        figures = report.load(ROOT / "tests/tools/checks/figures.json")
        known = {name.partition(":")[0] for name in figures}
        assert known == {check.name for check in CHECKS}, "run the check, then: .venv/bin/nox -s figures"

    def test_times_are_kept_as_json(self, tmp_path: Path) -> None:
        outcome = Outcome(CHECKS[0], passed=True, cause="", cost=Cost(1.23, 4.56), log=tmp_path / "log")
        path = tmp_path / "times.json"
        assert report.load(path) == {}
        report.save(path, {"default": report.rows(outcome)})
        assert json.loads(path.read_text(encoding="utf-8"))["default"] == {
            "tier": TEST, "passed": True, "seconds": 1.2, "controller": 4.6, "guests": 0.0, "cluster": 0.0, "steps": {},
        }  # fmt: skip
