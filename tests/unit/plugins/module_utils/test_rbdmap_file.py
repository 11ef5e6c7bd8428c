# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rbdmap file: nothing is lost, an edit touches its own lines only, faults are told in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from ansible_collections.cephclient.rbd.plugins.module_utils._errors import RbdError
from ansible_collections.cephclient.rbd.plugins.module_utils._image_spec import ImageSpec
from ansible_collections.cephclient.rbd.plugins.module_utils._map_options import MapOptions
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_file import (
    RbdmapEntry,
    RbdmapFile,
    RbdmapLine,
    redact,
)
from ansible_collections.cephclient.rbd.plugins.module_utils._rbdmap_script import argv

APP = ImageSpec.parse("rbd/app")
ENTRY = RbdmapEntry.of(APP, user="app", keyring="/etc/ceph/ceph.client.app.keyring")
LINE = "rbd/app id=app,keyring=/etc/ceph/ceph.client.app.keyring\n"

images = st.sampled_from([APP, *map(ImageSpec.parse, ["rbd/other", "pool/app", "pool/space/app", "rbd/app@snap"])])
entries = st.builds(
    RbdmapEntry.of,
    images,
    user=st.none() | st.sampled_from(["app", "admin", "a=b"]),
    keyring=st.none() | st.sampled_from(["/etc/ceph/k", "/etc/ceph/k,l"]),
    options=st.sampled_from(["", "lock_on_read,queue_depth=1024", "noudev", "ro"]).map(MapOptions.parse),
    read_only=st.booleans(),
    extra=st.sampled_from([{}, {"client_mount_timeout": 5}]),
)
anybody = st.text(st.characters(), max_size=60)
words = ["rbd/app", "app", "rbd/other", "pool/space/app", "id=app", "keyring='/k,l'", "options=", "read-only"]
signs = [" ", "\t", "  ", ",", "#", "# note", "\\", "\n", "\n\n", "\r\n", "'", "*", "--", "\udcff", "\\\n"]
pieces = st.sampled_from([*words, *signs, "secret=x", "namespace=space"])
texts = anybody | st.lists(pieces, max_size=30).map("".join)


def only(text: str) -> RbdmapLine:
    (line,) = RbdmapFile.decode(text).lines
    return line


def entry_of(text: str) -> RbdmapEntry:
    entry = only(text).entry
    assert entry is not None
    return entry


class TestProperties:
    @given(texts)
    def test_every_text_survives(self, text: str) -> None:
        file = RbdmapFile.decode(text)
        assert file.encode() == text
        assert [line.number for line in file.lines] == sorted({line.number for line in file.lines})

    @given(texts, entries)
    def test_what_was_set_is_found_alone_and_in_effect(self, text: str, entry: RbdmapEntry) -> None:
        (line,) = RbdmapFile.decode(text).set(entry).find(entry.image)
        assert line.effective
        assert line.entry is not None
        assert line.entry.same_as(entry)

    @given(texts, entries)
    def test_to_set_again_changes_nothing(self, text: str, entry: RbdmapEntry) -> None:
        file = RbdmapFile.decode(text).set(entry)
        assert file.set(entry) == file

    @given(texts, entries)
    def test_an_edited_file_is_what_its_text_says(self, text: str, entry: RbdmapEntry) -> None:
        for file in (RbdmapFile.decode(text).set(entry), RbdmapFile.decode(text).remove(entry.image)):
            assert file == RbdmapFile.decode(file.encode())

    @given(texts, entries)
    def test_to_remove_what_was_added_restores_the_text(self, text: str, entry: RbdmapEntry) -> None:
        before = RbdmapFile.decode(text).remove(entry.image).encode()
        after = RbdmapFile.decode(before).set(entry).remove(entry.image).encode()
        assert after.rstrip("\n") == before.rstrip("\n")
        assert len(after) - len(before) in (0, 1, 2)
        assert after == before or not before.endswith("\n") or before.endswith("\\\n")

    @given(texts, entries)
    def test_an_edit_touches_the_lines_of_its_image_only(self, text: str, entry: RbdmapEntry) -> None:
        file = RbdmapFile.decode(text)
        others = [line.text for line in file.lines if line not in file.find(entry.image)]
        removed = file.remove(entry.image)
        assert [line.text for line in removed.lines] == others
        changed = file.set(entry)
        kept = [line.text for line in changed.lines if line not in changed.find(entry.image)]
        assert "".join(kept).rstrip("\n") == "".join(others).rstrip("\n")

    @given(texts)
    def test_anybodys_text_can_be_redacted(self, text: str) -> None:
        assert redact(redact(text)) == redact(text)


class TestReading:
    @pytest.mark.parametrize("text", ["", "# note\n", "\n", "  \t\n", "  # rbd/app id=app\n", "#rbd/app"])
    def test_comments_and_blank_lines_say_nothing(self, text: str) -> None:
        file = RbdmapFile.decode(text)
        assert all(line.entry is None and line.fault is None for line in file.lines)

    def test_a_line_says_what_rbdmap_passes_on(self) -> None:
        text = "rbd/app id=app,keyring=/k,read-only,options='lock_on_read,queue_depth=1024',client_mount_timeout=5\n"
        entry = entry_of(text)
        assert (entry.user, entry.keyring, entry.read_only) == ("app", "/k", True)
        assert str(entry.options) == "lock_on_read,queue_depth=1024"
        assert entry.parameters[-1] == ("client_mount_timeout", "5")
        assert entry.argv()[:3] == ("rbd/app", "--id", "app")

    def test_a_bare_line_leaves_all_to_ceph(self) -> None:
        entry = entry_of("app\n")
        assert (entry.image, entry.user, entry.keyring, entry.read_only) == (APP, None, None, False)
        assert not entry.options

    @pytest.mark.parametrize(
        ("text", "user"),
        [
            ("name=client.app", "app"),
            ("name=osd.0", None),
            ("user=app", "app"),
            ("'-i app'", "app"),
            ("id=a,id=b", "b"),
        ],
    )
    def test_a_user_has_many_names(self, text: str, user: str | None) -> None:
        assert entry_of(f"rbd/app {text}\n").user == user

    @pytest.mark.parametrize(
        "text",
        [
            "app id=app,keyring=/k\n",
            "rbd/app\tid app,keyring=/k # note\n",
            "rbd/app keyring=/k,user=app\n",
            "rbd/app name=client.app,keyring='/k',\n",
            "rbd/app id=x,id=app,\\\nkeyring=/k\n",
        ],
    )
    def test_lines_of_one_meaning_stay_as_they_are_spelled(self, text: str) -> None:
        file = RbdmapFile.decode(text)
        assert file.set(RbdmapEntry.of(APP, user="app", keyring="/k")) == file

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("read-only", "options=ro"),
            ("'-o ro'", "options=ro"),
            ("exclusive", "options=exclusive"),
            ("options='a,b'", "options='b,a'"),
            ("options=a,options=b", "options='a,b'"),
            ("read-only,options=rw", ""),
            ("options='rw,udev'", ""),
            ("client-mount-timeout=5", "client_mount_timeout=5"),
        ],
    )
    def test_map_options_have_one_meaning_in_many_spellings(self, one: str, other: str) -> None:
        assert entry_of(f"rbd/app {one}\n").same_as(entry_of(f"rbd/app {other}\n"))

    @pytest.mark.parametrize("other", ["id=b", "options=noudev", "read-only", "keyring=/k", "conf=/c"])
    def test_a_difference_is_one(self, other: str) -> None:
        assert not entry_of("rbd/app id=a\n").same_as(entry_of(f"rbd/app id=a,{other}\n"))

    def test_a_windows_line_end_hides_neither_image_nor_parameters(self) -> None:
        assert entry_of("rbd/app\r\n").image == APP
        assert entry_of("rbd/app id=app\r\n").user == "app"

    @pytest.mark.parametrize(
        ("text", "clause"),
        [
            ("rbd/app id=app", "it has no newline at its end"),
            ("rbd/app id=app\\\n", "it has no newline at its end"),
            ("rbd/app id=app\r\n", "its carriage return"),
            ("rbd/app id=a\x1bb\n", "a character that cannot be printed"),
            ("a/b/c/d id=app\n", "'a/b/c/d' is not an image-spec"),
            ("rbd/my\\ app id=app\n", "its image-spec has a blank"),
            ("--pool/app id=app\n", "takes the image-spec for an option"),
            ("rbd/app id=app, keyring=/k\n", "a word that belongs to no parameter"),
            ("rbd/app id=app keyring=/k\n", "a word that belongs to no parameter"),
            ("rbd/app read-only=true\n", "a word that belongs to no parameter"),
            ("rbd/app id,keyring=/k\n", "id has no value"),
            ("rbd/app keyring=/etc/*\n", "one of * ? ["),
            ("rbd/app options='queue_depth=1#2'\n", "its number sign cuts a quoted value"),
            ("rbd/app options=lock_on_read,queue_depth=1024\n", "queue_depth is a map option, which belongs into"),
            ("rbd/app options='queue_dept=1'\n", "rbd cannot use the map option 'queue_dept'"),
            ("rbd/app options='secret=AQBtopsecret'\n", "rbd cannot use the map option 'secret'"),
            ("rbd/app image=other\n", "its parameter image names another image"),
            ("# note \\\nrbd/app id=app\n", "makes the next line a part of the comment"),
        ],
    )
    def test_a_fault_is_told_in_a_clause(self, text: str, clause: str) -> None:
        line = only(text)
        assert clause in (line.fault or "")
        assert "topsecret" not in (line.fault or "")
        assert not line.effective
        assert RbdmapFile.decode(text).faults() == (line,)

    def test_parameters_can_name_another_image_than_the_line(self) -> None:
        line = only("rbd/app namespace=space,snap=s\n")
        assert line.fault == "it maps rbd/space/app@s, but rbdmap looks for /dev/rbd/rbd/app"
        assert RbdmapFile.decode(line.text).find(ImageSpec.parse("rbd/space/app@s")) == (line,)

    def test_a_line_may_go_over_many(self) -> None:
        file = RbdmapFile.decode("rbd/app \\\n  id=app\nrbd/other\n")
        assert [line.number for line in file.lines] == [1, 3]
        assert entry_of(file.lines[0].text).user == "app"


class TestEditing:
    def test_a_new_line_comes_last_and_ends_the_one_before(self) -> None:
        assert RbdmapFile.decode("# note").set(ENTRY).encode() == f"# note\n{LINE}"
        assert RbdmapFile.decode("").set(ENTRY).encode() == LINE

    def test_a_differing_line_keeps_place_indentation_separator_and_comment(self) -> None:
        text = "# head\n  app\t\tid=old,options='a'  # note\nrbd/other\n"
        changed = RbdmapFile.decode(text).set(ENTRY).encode()
        assert changed == "# head\n  " + LINE.replace(" ", "\t\t").rstrip() + " # note\nrbd/other\n"

    def test_a_comment_never_becomes_a_part_of_the_image(self) -> None:
        assert RbdmapFile.decode("rbd/app id=x#note\n").set(RbdmapEntry.of(APP)).encode() == "rbd/app #note\n"

    def test_further_lines_for_the_image_go(self) -> None:
        text = f"{LINE}# kept\napp id=old\nrbd/app"
        assert RbdmapFile.decode(text).set(ENTRY).encode() == f"{LINE}# kept\n"
        assert RbdmapFile.decode(text).remove(APP).encode() == "# kept\n"

    def test_a_missing_newline_is_repaired(self) -> None:
        assert RbdmapFile.decode("app id=app").set(RbdmapEntry.of(APP, user="app")).encode() == "app id=app\n"

    def test_a_faulty_line_is_replaced_even_if_it_seems_to_say_the_same(self) -> None:
        assert RbdmapFile.decode(LINE.replace("\n", "\r\n")).set(ENTRY).encode() == LINE
        assert RbdmapFile.decode(LINE.replace(",", ", ")).set(ENTRY).encode() == LINE

    def test_identity_is_pool_namespace_image_and_snapshot(self) -> None:
        file = RbdmapFile.decode("app\npool/app\nrbd/space/app\nrbd/app@snap\n")
        assert [line.number for line in file.find(APP)] == [1]
        assert file.remove(APP).encode() == "pool/app\nrbd/space/app\nrbd/app@snap\n"


class TestWriting:
    def test_all_parameters_in_their_order(self) -> None:
        options = MapOptions.from_dict({"queue_depth": 1024, "lock_on_read": True})
        entry = RbdmapEntry.of(
            ImageSpec.parse("pool/space/app"),
            user="app",
            keyring="/k=1",
            options=options,
            read_only=True,
            extra={"client_mount_timeout": 5},
        )
        assert entry.render() == (
            "pool/space/app id=app,keyring='/k=1',client_mount_timeout=5,read-only,"
            "options='lock_on_read,queue_depth=1024'"
        )

    def test_a_refusal_names_image_parameter_character_and_remedy(self) -> None:
        with pytest.raises(RbdError) as caught:
            RbdmapEntry.of(APP, keyring="/etc/my keyring")
        assert str(caught.value) == (
            "Cannot write the rbdmap line of rbd/app: the value of keyring has ' ', and rbdmap would not pass it on "
            "to the rbd command as it is. Use a value without that character."
        )

    @pytest.mark.parametrize("spec", ["rbd/my app", "-pool/app", "a#/app"])
    def test_an_image_that_cannot_be_mapped_has_no_line(self, spec: str) -> None:
        with pytest.raises(RbdError, match=f"Cannot write the rbdmap line of {spec}"):
            RbdmapFile().set(RbdmapEntry(ImageSpec.parse(spec)))

    @pytest.mark.parametrize(
        "extra",
        [
            *({name: "x"} for name in ["secret", "key", "pool", "id", "options", "read-only", "queue_depth"]),
            *({name: "x"} for name in ["Conf", "", "a b", "-x"]),
            *({"conf": value} for value in ["-x", "", "a b"]),
        ],
    )
    def test_extra_parameters_are_those_that_nothing_else_writes(self, extra: dict[str, str | int]) -> None:
        with pytest.raises(RbdError, match="Cannot write the rbdmap line of rbd/app"):
            RbdmapEntry.of(APP, extra=extra)

    def test_read_only_and_rw_contradict(self) -> None:
        with pytest.raises(RbdError, match="it shall be read-only"):
            RbdmapEntry.of(APP, read_only=True, options=MapOptions.parse("rw"))

    def test_what_others_built_is_checked_before_it_is_written(self) -> None:
        with pytest.raises(RbdError, match="has '#'"):
            RbdmapFile().set(RbdmapEntry(APP, (("id", "a#b"),)))


CEPHX = "AQBvxyZm7p0XHhAA0uPMkTR7d7DT6VJW2n9Vqw=="


class TestRedacting:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("rbd/app id=app,secret=abc,keyring=/k\n", "rbd/app id=app,secret=********,keyring=/k\n"),
            ("rbd/app key=abc # note\n", "rbd/app key=******** # note\n"),
            ("# rbd/app key = abc\n", "# rbd/app key = ********\n"),
            ("rbd/app options='secret=abc,queue_depth=1'\n", "rbd/app options='secret=********,queue_depth=1'\n"),
            ("rbd/app key='a,b c',id=x\n", "rbd/app key=********',id=x\n"),
            (f"rbd/app key {CEPHX}\n", "rbd/app key ********\n"),
            (f"# old: {CEPHX}\n", "# old: ********\n"),
            (f"rbd/app key={CEPHX}\n", "rbd/app key=********\n"),
        ],
    )
    def test_key_material_is_hidden_and_nothing_else(self, text: str, shown: str) -> None:
        assert redact(text) == shown

    def test_keyrings_are_shown(self) -> None:
        assert redact(LINE) == LINE
        assert redact("# the key is in keyring=/k, the monkey=x\n") == "# the key is in keyring=/k, the monkey=x\n"


class TestShared:
    """The mark in a line's comment, which rbdmap cuts off."""

    @pytest.mark.parametrize(
        ("comment", "shared", "marked", "unmarked"),
        [
            ("", False, " # shared", ""),
            (" # mine", False, " # shared mine", " # mine"),
            (" # shared", True, " # shared", ""),
            (" #shared by both", True, " #shared by both", " # by both"),
            (" # sharedness", False, " # shared sharedness", " # sharedness"),
        ],
    )
    def test_is_set_and_taken_away_beside_what_else_is_there(
        self, comment: str, shared: bool, marked: str, unmarked: str
    ) -> None:
        line = "rbd/app id=app,options='queue_depth=64'"
        lines = RbdmapFile.decode(f"{line}{comment}\n")
        (found,) = lines.find(ImageSpec.parse("rbd/app"))
        assert found.entry is not None
        assert found.fault is None
        assert found.entry.shared == shared
        for wanted, text in ((True, marked), (False, unmarked)):
            edited = lines.set(replace(found.entry, shared=wanted))
            assert edited.encode() == f"{line}{text}\n"
            assert edited.set(replace(found.entry, shared=wanted)) == edited
            assert argv(edited.encode()) == argv(line)
