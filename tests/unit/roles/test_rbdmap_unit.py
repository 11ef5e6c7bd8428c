# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rbdmap.service runs, around the shipped rbdmap script: which images it lets through, and what it does beside."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_script import argv
from ansible_collections.cephclient.rbd.plugins.module_utils._service_request import DROP_IN_TEXT, PROGRAM
from ansible_collections.cephclient.rbd.tests.unit.roles.boot_program import FakeClusters, Unit, place_program, used

USER = "id=app,keyring=/etc/ceph/k"
FOREIGN = [("client.9", "192.0.2.9:0/77")]
PREDECESSOR = [("client.8", "127.0.0.1:0/66")]
OWN = [("client.1", "192.0.2.1:0/1")]
# As rbdmap_clusters.py says.
COMEBACK, SETTLED = 60, 10


class TestGate:
    def test_every_image_is_asked_for_with_what_rbdmap_makes_of_its_line(self, unit: Unit) -> None:
        lines = [f"# note {USER}", f"one\t{USER}", f"p/n/two {USER},options='queue_depth=8,lock_on_read' # x", "p/t@s"]
        assert unit.run("\n".join(lines) + "\n") == 0
        # Before it is mapped, and afterwards.
        assert sorted(unit.clusters.asked) == sorted(2 * [argv(line) for line in lines if argv(line)])
        assert sorted(unit.mapped) == ["p/n/two", "p/t@s", "rbd/one"]

    def test_what_a_play_has_mapped_meanwhile_is_not_mapped_twice(self, unit: Unit) -> None:
        class Meanwhile(FakeClusters):
            def use(self, spec: str, words: Sequence[str]) -> SimpleNamespace:
                unit.map_by_hand(spec)
                return super().use(spec, words)

        unit.module.FILE.write_text(f"p/a {USER}\n", encoding="utf-8")
        assert unit.module.Attempt(unit.module.read_lines(), Meanwhile({})).run() == 0
        assert unit.mapped == []

    def test_an_image_that_another_client_writes_to_is_not_mapped_and_the_others_are(
        self, unit: Unit, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert unit.run(f"p/a {USER}\np/b {USER}\np/c {USER}\n", {"p/b": [FOREIGN]}) == 1
        assert sorted(unit.mapped) == ["p/a", "p/c"]
        said = capfd.readouterr().err
        assert "Cannot map p/b: it is in use by client.9 at 192.0.2.9:0/77." in said
        assert "2 of 3 images are in place." in said

    @pytest.mark.parametrize(
        "line",
        [
            f"p/a {USER} # shared",
            f"p/a {USER} #shared by two",
            f"p/a {USER},read-only",
            f"p/a {USER},options='ro'",
            f"p/a {USER},options='queue_depth=8,ro'",
            f"p/a@snap {USER}",
        ],
    )
    def test_who_writes_does_not_matter_to_readers_and_to_shared_images(self, unit: Unit, line: str) -> None:
        assert unit.run(line + "\n", {line.split(maxsplit=1)[0]: [FOREIGN]}) == 0
        assert len(unit.mapped) == 1

    @pytest.mark.parametrize(
        "line", [f"p/a {USER} # is shared", f"p/a {USER} # sharedly", f"p/a {USER},read-only,options='rw'"]
    )
    def test_no_other_comment_or_option_lets_a_second_writer_in(self, unit: Unit, line: str) -> None:
        assert unit.run(line + "\n", {"p/a": [FOREIGN]}) == 1
        assert unit.mapped == []

    def test_the_kernel_of_this_host_is_no_other(self, unit: Unit) -> None:
        assert unit.run(f"p/a {USER}\n", {"p/a": [OWN]}) == 0

    def test_what_this_host_left_open_in_a_crash_is_waited_for(
        self, unit: Unit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unit.module.time, "sleep", lambda _seconds: None)
        assert unit.run(f"p/a {USER}\n", {"p/a": [PREDECESSOR, PREDECESSOR, []]}) == 0
        assert unit.mapped == ["p/a"]

    def test_but_not_for_ever(self, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unit.module, "PATIENCE", 0)
        assert unit.run(f"p/a {USER}\n", {"p/a": [PREDECESSOR]}) == 1
        assert unit.mapped == []

    def test_who_holds_the_lock_may_watch_again_soon(self, unit: Unit, clock: list[float]) -> None:
        gone = used(owners=FOREIGN)
        assert unit.run(f"p/a {USER}\n", {"p/a": [gone, gone, used(FOREIGN, FOREIGN)]}) == 1
        assert unit.mapped == []
        assert clock == [0, 1, 2]

    def test_or_is_dead(self, unit: Unit, clock: list[float]) -> None:
        looks: dict[str, list[object]] = {"p/a": [used(owners=FOREIGN)]}
        # The boot does not wait so long: the next attempt goes on waiting.
        assert unit.run(f"p/a {USER}\n", looks) == 1
        assert unit.module.PATIENCE <= clock[-1] < unit.module.PATIENCE + 3
        # As RestartSec of the drop-in.
        clock.append(clock[-1] + 5)
        assert unit.run(f"p/a {USER}\n", looks) == 0
        assert unit.mapped == ["p/a"]
        assert COMEBACK <= clock[-1] < COMEBACK + 3

    def test_a_silence_begins_that_time_anew(self, unit: Unit, clock: list[float]) -> None:
        gone = used(owners=FOREIGN)
        assert unit.run(f"p/a {USER}\n", {"p/a": [gone, unit.module.Silent("no monitor has answered")]}) == 1
        clock.append(2 * COMEBACK)
        assert unit.run(f"p/a {USER}\n", {"p/a": [gone]}) == 1
        assert clock[-1] >= 2 * COMEBACK + unit.module.PATIENCE
        assert unit.mapped == []

    def test_the_silence_of_one_image_does_not_begin_anothers_time_anew(self, unit: Unit, clock: list[float]) -> None:
        silent = unit.module.Silent("no OSD has answered")
        looks: dict[str, list[object]] = {"p/a": [used(owners=FOREIGN)], "q/b": [silent]}
        for attempt in range(2):
            clock.append(COMEBACK * attempt)
            assert unit.run(f"p/a {USER}\nq/b {USER}\n", looks) == 1
        assert unit.mapped == ["p/a"]

    def test_nor_does_its_answer_shorten_it(self, unit: Unit, clock: list[float]) -> None:
        gone, silent = used(owners=FOREIGN), unit.module.Silent("no OSD has answered")
        for attempt, look in enumerate([gone, silent, gone]):
            clock.append(COMEBACK * attempt)
            assert unit.run(f"p/a {USER}\nq/b {USER}\n", {"p/a": [look], "q/b": [[]]}) == 1
        assert unit.mapped == ["q/b"]

    def test_one_that_was_not_asked_for_has_not_been_silent(self, unit: Unit, clock: list[float]) -> None:
        for attempt, look in enumerate([used(owners=FOREIGN), unit.module.Unasked("others"), used(owners=FOREIGN)]):
            clock.append(COMEBACK / 2 * attempt)
            unit.run(f"p/a {USER}\n", {"p/a": [look]})
        assert unit.mapped == ["p/a"]

    def test_what_is_known_of_an_image_ends_with_its_map(self, unit: Unit, clock: list[float]) -> None:
        unit.run(f"p/a {USER}\n")
        (unit.place / "devices/p/a").unlink()
        clock.append(2 * COMEBACK)
        assert unit.run(f"p/a {USER}\n", {"p/a": [used(owners=FOREIGN)]}) == 1

    @pytest.mark.parametrize("owners", [PREDECESSOR, OWN])
    def test_a_lock_of_this_host_is_not_waited_for(
        self, unit: Unit, clock: list[float], owners: list[tuple[str, str]]
    ) -> None:
        assert unit.run(f"p/a {USER}\n", {"p/a": [used(owners=owners)]}) == 0
        assert clock == [0]

    @pytest.mark.parametrize(("looks", "mapped"), [([[]], ["p/a"]), ([[], FOREIGN], [])])
    def test_an_image_without_locks_is_looked_at_for_a_while(
        self, unit: Unit, clock: list[float], looks: list[list[object]], mapped: list[str]
    ) -> None:
        unit.run(f"p/a {USER}\n", {"p/a": [used(look, locking=False) for look in looks]})
        assert unit.mapped == mapped
        assert (clock[-1] >= SETTLED) == bool(mapped)

    @pytest.mark.parametrize("spec", ["p/a", "p/kept"])
    def test_an_image_that_another_host_has_mapped_in_the_same_moment_is_unmapped(
        self, unit: Unit, capfd: pytest.CaptureFixture[str], spec: str
    ) -> None:
        device = unit.place / "devices" / spec
        (unit.place / "fstab").write_text(f"{device} /srv/a ext4 noauto,_netdev 0 0\n", encoding="utf-8")
        assert unit.run(f"{spec} {USER}\n", {spec: [[], OWN + FOREIGN]}) == 1
        # And not mounted, even if it could not be unmapped.
        assert [call.split()[:3] for call in unit.calls if "lock" not in call] == [
            ["device", "map", spec],
            ["device", "unmap", str(device)],
        ]
        assert f"Cannot map {spec}: it is in use by client.9 at 192.0.2.9:0/77." in capfd.readouterr().err

    @pytest.mark.parametrize("use", [used(owners=FOREIGN), used(locking=False)])
    def test_readers_and_shared_images_wait_for_nobody(
        self, unit: Unit, clock: list[float], use: SimpleNamespace
    ) -> None:
        assert unit.run(f"p/a {USER},read-only\np/b {USER} # shared\n", {"p/a": [use], "p/b": [use]}) == 0
        assert clock == [0]

    def test_a_silent_cluster_is_told_of_once_and_nothing_is_mapped(
        self, unit: Unit, capfd: pytest.CaptureFixture[str]
    ) -> None:
        silent = unit.module.Silent("no monitor has answered within 10 seconds")
        assert unit.run("p/a\np/b\np/c\n", {spec: [silent] for spec in ("p/a", "p/b", "p/c")}) == 1
        assert unit.mapped == []
        said = capfd.readouterr().err
        assert said.count("Cannot map") == 1
        assert ": no monitor has answered within 10 seconds." in said

    def test_nor_does_one_of_which_nobody_knows_what_is_wrong(
        self, unit: Unit, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert unit.run("p/a\np/b\n", {"p/a": [ValueError("odd")]}) == 1
        assert unit.mapped == ["p/b"]
        assert "Cannot map p/a: ValueError('odd')." in capfd.readouterr().err

    def test_a_host_without_fstab_only_maps(self, unit: Unit) -> None:
        (unit.place / "fstab").unlink()
        assert unit.run("p/a\n") == 0
        assert unit.mapped == ["p/a"]

    def test_an_image_that_does_not_exist_keeps_none_from_being_mapped(
        self, unit: Unit, capfd: pytest.CaptureFixture[str]
    ) -> None:
        assert unit.run("p/a\np/b\n", {"p/a": [unit.module.Refused("[errno 2] RBD image not found")]}) == 1
        assert unit.mapped == ["p/b"]
        assert "Cannot map p/a: [errno 2] RBD image not found." in capfd.readouterr().err


class TestMap:
    def test_the_reason_of_a_failed_map_is_told(self, unit: Unit, capfd: pytest.CaptureFixture[str]) -> None:
        assert unit.run("p/broken\np/b\n") == 1
        assert sorted(unit.mapped) == ["p/b", "p/broken"]
        said = capfd.readouterr().err
        assert "rbd: sysfs write failed" in said
        assert "Cannot map p/broken: rbdmap has failed." in said

    def test_an_image_that_takes_too_long_keeps_nobody_waiting(
        self, unit: Unit, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(unit.module, "STEP", 1)
        monkeypatch.setattr(unit.module, "SIDE_BY_SIDE", 1)
        assert unit.run("p/a\np/hangs\np/c\n") == 1
        assert unit.mapped == ["p/a", "p/hangs"]
        assert "rbdmap has taken more than 1 seconds for one image" in capfd.readouterr().err

    def test_nor_is_it_mounted_in_the_same_attempt(self, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unit.module, "STEP", 1)
        monkeypatch.setattr(unit.module, "SIDE_BY_SIDE", 1)
        unit.declare({"p/a": "/srv/a", "p/hangs": "/srv/b"})
        assert unit.run("p/a\np/hangs\n") == 1
        assert [call for call in unit.calls if call.startswith("mount")] == []

    def test_the_lock_of_each_image_is_held_while_it_is_mapped(self, unit: Unit) -> None:
        assert unit.run("p/a\np/n/b\n") == 0
        assert sorted(unit.calls) == ["device map p/a", "device map p/n/b"]

    def test_what_a_play_is_mapping_is_waited_for(self, unit: Unit) -> None:
        place = unit.place / "run/p/a"
        place.mkdir(parents=True)
        with subprocess.Popen(
            ["flock", place, "sh", "-c", f"echo; sleep 1; mkdir -p {unit.place}/devices/p/a"], stdout=subprocess.PIPE
        ) as play:
            assert play.stdout
            play.stdout.readline()
            assert unit.run("p/a\np/b\n") == 0
        assert unit.mapped == ["p/b"]


class TestShares:
    def test_images_are_dealt_with_side_by_side(self, unit: Unit) -> None:
        class Meeting(FakeClusters):
            """Answers only when it is asked by all of them."""

            barrier = threading.Barrier(4)

            def use(self, spec: str, words: Sequence[str]) -> SimpleNamespace:
                self.barrier.wait(timeout=10)
                return super().use(spec, words)

        unit.module.FILE.write_text("p/a\np/b\np/c\np/d\n", encoding="utf-8")
        assert unit.module.Attempt(unit.module.read_lines(), Meeting({})).run() == 0
        assert sorted(unit.mapped) == ["p/a", "p/b", "p/c", "p/d"]

    def test_of_so_many_images_none_is_left_out_and_none_is_mapped_twice(self, unit: Unit) -> None:
        specs = [f"p/{number:02}" for number in range(30)]
        assert unit.run("".join(f"{spec} {USER}\n" for spec in [*specs, "p/07"])) == 0
        assert sorted(unit.mapped) == specs

    @pytest.mark.parametrize(
        ("first", "second"),
        [("/srv", "/srv/deep/below"), ("/srv/deep/below", "/srv"), ("/srv/same", "/srv/same")],
    )
    def test_mount_points_within_each_other_keep_their_order(self, unit: Unit, first: str, second: str) -> None:
        self.declare(unit, {"a": first, "x": "/mnt/x", "b": second, "y": "/srvother"})
        assert self.specs(unit) == [["p/a", "p/b"], ["p/x"], ["p/y"]]

    @pytest.mark.parametrize("device", ["/dev/mapper/b", "LABEL=b", "/dev/rbd0"])
    def test_all_keep_it_if_the_other_may_be_any_of_them(self, unit: Unit, device: str) -> None:
        self.declare(unit, {"a": "/srv/a", "b": "/srv/b/below", "c": "/srv/c"})
        with (unit.place / "fstab").open("a", encoding="utf-8") as fstab:
            fstab.write(f"{device} /srv/b ext4 noauto\n")
        assert self.specs(unit) == [["p/a", "p/b", "p/c"]]

    def test_images_with_a_hook_keep_their_order(self, unit: Unit) -> None:
        self.declare(unit, {"a": "/srv/a", "b": "/srv/b", "c": "/srv/c"})
        for name in ("a", "c"):
            hook = unit.place / "hooks/p" / name
            hook.parent.mkdir(parents=True, exist_ok=True)
            hook.touch(0o755)
        assert self.specs(unit) == [["p/a", "p/c"], ["p/b"]]

    def test_other_mount_points_need_none(self, unit: Unit) -> None:
        self.declare(unit, {"a": "/srv/a", "b": "/srv/aa", "c": "/srv/c"})
        assert self.specs(unit) == [["p/a"], ["p/b"], ["p/c"]]

    @staticmethod
    def declare(unit: Unit, paths: dict[str, str]) -> None:
        unit.module.FILE.write_text("".join(f"p/{name}\n" for name in paths), encoding="utf-8")
        unit.declare({f"p/{name}": path for name, path in paths.items()})

    @staticmethod
    def specs(unit: Unit) -> list[list[str]]:
        return [[line.spec for line in share] for share in unit.module.shares(unit.module.read_lines())]


def test_the_drop_in_runs_what_is_placed() -> None:
    program = "/usr/bin/python3 /usr/local/lib/cephclient.rbd/rbdmap_unit.py"
    assert program.endswith(f" {PROGRAM[-1]}")
    assert f"\nExecStart=\nExecStart={program}\n" in DROP_IN_TEXT
    assert f"\nExecReload=\nExecReload={program}\n" in DROP_IN_TEXT
    assert "ExecStop" not in DROP_IN_TEXT
    assert "\n[Unit]\nStartLimitIntervalSec=0\n" in DROP_IN_TEXT
    assert "\nRestart=on-failure\n" in DROP_IN_TEXT


def test_what_is_placed_needs_nothing_of_the_collection(tmp_path: Path) -> None:
    place = place_program(tmp_path / "program")
    assert [path.name for path in sorted(place.iterdir())] == [Path(path).name for path in PROGRAM]
    alone = (
        "import runpy, sys; sys.path[0] = sys.argv[1]; runpy.run_path(sys.argv[1] + '/rbdmap_unit.py', run_name='x')"
    )
    subprocess.run([sys.executable, "-I", "-c", alone, place], check=True, cwd=tmp_path)
