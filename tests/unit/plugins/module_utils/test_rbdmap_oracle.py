# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped rbdmap script itself says what a line means: the model and the writer are held against it."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import MapOptions
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import RbdmapEntry, RbdmapFile
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_script import argv

Words = tuple[str, ...]

INSTALLED = Path("/usr/bin/rbdmap")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cephclient.rbd"

# In place of the commands that the script calls. rbd leaves a record: the number of its words, then each.
STUBS = """
rbd() { printf '%s\\0' "$#" "$@" >>"$RBD_RECORD"; }
logger() { :; }
mount() { false; }
export -f rbd logger mount
exec bash "$1" map
"""


def _from_package() -> Path:
    """The script out of Debian's ceph-common package, which nothing is installed from."""
    script = CACHE / "ceph-common" / "usr/bin/rbdmap"
    if not script.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        try:
            command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "ceph-common"]
            subprocess.run(command, cwd=CACHE, check=True, capture_output=True, timeout=120)
            package = max(CACHE.glob("ceph-common_*.deb"))
            subprocess.run(["dpkg-deb", "-x", package.name, "ceph-common"], cwd=CACHE, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no {INSTALLED}, and no ceph-common package to take it out of: {error}")
    return script


@pytest.fixture(scope="session")
def script() -> Path:
    if shutil.which("bash") is None:
        pytest.skip("rbdmap is a bash script, and there is no bash")
    return INSTALLED if INSTALLED.exists() else _from_package()


@dataclass(frozen=True)
class Rbdmap:
    """The script, run on files of its own, in a directory that has no file for a pattern to match."""

    script: Path
    place: Path
    locale: str

    def __call__(self, text: str) -> list[Words]:
        """The words behind each ``rbd device map`` that the script calls for the text of an rbdmap file."""
        file, record, cwd = self.place / "rbdmap", self.place / "record", self.place / "cwd"
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
        record.write_bytes(b"")
        names = {"RBDMAPFILE": str(file), "RBD_RECORD": str(record)}
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": self.locale, **names}
        command = ["bash", "-c", STUBS, "stubs", str(self.script)]
        subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=False, timeout=60)
        fields = iter(record.read_bytes().decode("utf-8", "surrogateescape").split("\0")[:-1])
        calls = [tuple(next(fields) for _number in range(int(count))) for count in fields]
        assert all(call[:2] == ("device", "map") for call in calls)
        return [call[2:] for call in calls]


@pytest.fixture(scope="session", params=["C.UTF-8", "C"])
def rbdmap(request: pytest.FixtureRequest, script: Path, tmp_path_factory: pytest.TempPathFactory) -> Rbdmap:
    place = tmp_path_factory.mktemp("rbdmap")
    (place / "cwd").mkdir()
    return Rbdmap(script, place, request.param)


def lines(spec: str, params: str, many: int = 25) -> st.SearchStrategy[str]:
    """Texts of many lines, so that a run of the script tells much."""
    line = st.tuples(st.text(spec, max_size=6), st.sampled_from([" ", "\t", "  "]), st.text(params, max_size=24))
    return st.lists(line.map("".join), min_size=1, max_size=many).map(lambda each: "\n".join(each) + "\n")


oracle = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def modelled(text: str) -> list[Words]:
    return [argv(line.text) for line in RbdmapFile.decode(text).lines if line.terminated and argv(line.text)]


class TestModel:
    """What the model says of a line is what the script does."""

    @oracle
    @given(text=lines("ab/@#'\\-", "abenE01=,'\"# \t\\-/$`~;&|<>(){}!é\r"))
    @example(text="rbd/app '-neE'\n")
    @example(text="rbd/app '-n x'\n")
    @example(text="rbd/app =id=app\n")
    @example(text="rbd/app ,id=app,\n")
    @example(text="rbd/app \\ \n")
    @example(text="rbd/app id=a\\\n,x=y\nrbd/b\n")
    @example(text="# comment \\\nrbd/app\n")
    @example(text="a\\ b id=x\n\\\n\\\\\n")
    @example(text="rbd/app id=app")
    @example(text="rbd/app id=app\\\n")
    def test_it_reads_lines_as_the_script_does(self, rbdmap: Rbdmap, text: str) -> None:
        assert rbdmap(text) == modelled(text)

    @oracle
    @given(text=lines("ab@", "ab=,'# \\*?[]", many=10))
    def test_patterns_that_match_no_file_stay_as_they_are(self, rbdmap: Rbdmap, text: str) -> None:
        assert rbdmap(text) == modelled(text)

    def test_the_example_of_the_manual_page(self, rbdmap: Rbdmap) -> None:
        keyring = "/etc/ceph/ceph.client.admin.keyring"
        line = f"foopool/bar3    id=admin,keyring={keyring},options='lock_on_read,queue_depth=1024'\n"
        meant = ("foopool/bar3", "--id", "admin", "--keyring", keyring, "--options", "lock_on_read,queue_depth=1024")
        assert rbdmap(line) == [meant]


names = st.text("abzABZ019_.+:=-", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))
images = st.builds(ImageSpec, names.filter(lambda name: name[0] != "-"), st.just("") | names, names, st.none() | names)
values = st.text(
    st.characters(blacklist_categories=("C", "Z"), blacklist_characters="#'\\*?["), min_size=1, max_size=20
).filter(lambda text: not text.startswith("-"))
map_options = st.fixed_dictionaries(
    {},
    optional={
        "queue_depth": st.integers(1, 4096),
        "lock_on_read": st.booleans(),
        "tcp_nodelay": st.booleans(),
        "alloc_size": st.sampled_from([512, 65536]),
        "crush_location": st.sampled_from(["rack:a", "rack:myrack1|datacenter:my_dc"]),
        "ms_mode": st.sampled_from(["legacy", "prefer-crc"]),
        "ip": st.sampled_from(["10.0.0.1:6789", "fd00::1"]),
    },
).map(MapOptions.from_dict)
entries = st.builds(
    RbdmapEntry.of,
    images,
    user=st.none() | values,
    keyring=st.none() | values.map("/etc/ceph/{}".format),
    options=map_options,
    read_only=st.booleans(),
    extra=st.dictionaries(st.sampled_from(["conf", "cluster", "client_mount_timeout"]), values),
)


class TestWriter:
    """What the writer writes is what the script passes on."""

    @oracle
    @given(entries=st.lists(entries, min_size=1, max_size=20, unique_by=lambda entry: entry.image))
    def test_the_script_passes_on_what_is_meant(self, rbdmap: Rbdmap, entries: list[RbdmapEntry]) -> None:
        file = RbdmapFile.decode("# ours\n\nrbd/other id=other # kept")
        for entry in entries:
            file = file.set(entry)
        others = [
            words for words in [("rbd/other", "--id", "other")] if ImageSpec.parse(words[0]) not in images_of(entries)
        ]
        assert rbdmap(file.encode()) == [*others, *(entry.argv() for entry in entries)]

    @pytest.mark.parametrize("value", ["a b", "a\tb", "a#b", "a'b", "a\\b", "a\nb", "b*", "b?it", "b[a]it"])
    def test_a_refused_value_is_one_that_the_script_mangles(self, rbdmap: Rbdmap, value: str) -> None:
        with pytest.raises(RbdError, match="rbdmap would not pass it on"):
            RbdmapEntry.of(ImageSpec.parse("rbd/app"), keyring=value)
        meant = [("rbd/app", "--keyring", value)]
        bait = rbdmap.place / "cwd" / "bait"
        bait.touch()
        try:
            assert rbdmap(f"rbd/app keyring={value}\n") != meant
            assert rbdmap(f"rbd/app keyring='{value}'\n") != meant
        finally:
            bait.unlink()

    @pytest.mark.parametrize("value", ["a\rb", "a\x1bb", "a\u00a0b", "a\udcffb"])
    def test_values_that_nobody_could_see_are_refused_though_the_script_takes_them(
        self, rbdmap: Rbdmap, value: str
    ) -> None:
        with pytest.raises(RbdError, match="rbdmap would not pass it on"):
            RbdmapEntry.of(ImageSpec.parse("rbd/app"), keyring=value)
        assert rbdmap(f"rbd/app keyring={value}\n") == [("rbd/app", "--keyring", value)]

    def test_an_empty_value_is_refused_because_the_next_word_would_take_its_place(self, rbdmap: Rbdmap) -> None:
        with pytest.raises(RbdError, match="the value of id is empty"):
            RbdmapEntry.of(ImageSpec.parse("rbd/app"), user="", keyring="/k")
        assert rbdmap("rbd/app id='',keyring=/k\n") == [("rbd/app", "--id", "--keyring", "/k")]

    def test_quotes_are_needed_exactly_where_the_writer_sets_them(self, rbdmap: Rbdmap) -> None:
        entry = RbdmapEntry.of(ImageSpec.parse("rbd/app"), user="a=b", keyring="/k,l")
        assert entry.render() == "rbd/app id='a=b',keyring='/k,l'"
        assert rbdmap(entry.render() + "\n") == [("rbd/app", "--id", "a=b", "--keyring", "/k,l")]
        assert rbdmap("rbd/app id=a=b,keyring=/k,l\n") == [("rbd/app", "--id", "a", "b", "--keyring", "/k", "--l")]


def images_of(entries: list[RbdmapEntry]) -> set[ImageSpec]:
    return {entry.image for entry in entries}


class TestCodec:
    """What the codec calls ineffective, the script does not do."""

    @pytest.mark.parametrize("text", ["rbd/app id=app", "rbd/app id=app\\", "rbd/app id=app\\\n"])
    def test_a_line_without_its_newline_is_not_read_until_set_repairs_it(self, rbdmap: Rbdmap, text: str) -> None:
        entry = RbdmapEntry.of(ImageSpec.parse("rbd/app"), user="app")
        assert rbdmap(text) == []
        assert rbdmap(RbdmapFile.decode(text).set(entry).encode()) == [entry.argv()]

    @pytest.mark.parametrize("ending", ["", "\\", "\\\n", "\\\\", "\n", "\\\n\\"])
    @pytest.mark.parametrize("before", ["# note", "rbd/other id=x"])
    def test_an_appended_line_is_read_whatever_stands_before_it(self, rbdmap: Rbdmap, before: str, ending: str) -> None:
        entry = RbdmapEntry.of(ImageSpec.parse("rbd/app"), user="app")
        text = RbdmapFile.decode(before + ending).set(entry).encode()
        assert rbdmap(text)[-1] == entry.argv()

    def test_windows_line_ends_spoil_the_last_word_and_blank_lines(self, rbdmap: Rbdmap) -> None:
        text = "rbd/app id=app\r\n\r\n"
        assert rbdmap(text) == [("rbd/app", "--id", "app\r"), ("rbd/\r",)]
        assert len(RbdmapFile.decode(text).faults()) == 2
