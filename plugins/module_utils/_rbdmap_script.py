# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pure model of how the rbdmap script reads a line of its file.

The script (src/rbdmap in ceph, byte for byte the same in 16.2, 18.2 and 20.2) takes a line apart in
three steps, each modelled here: bash's ``read`` without -r, create_cmd_params(), and the splitting
of an unquoted expansion into words. The test_rbdmap_oracle tests hold it against the script itself.
"""

from __future__ import annotations

import re

BLANKS = " \t\n"  # bash's default IFS


def argv(line: str) -> tuple[str, ...]:
    """The words that rbdmap passes behind ``rbd device map`` for a line; none for a comment.

    A word that is a pattern of file names is given as it is; the shell would replace it if a file matched.

    :param line: with or without its newline, though rbdmap never reads a last line that lacks it.
    """
    device, params = read(line.removesuffix("\n"))
    if not device or device.startswith("#"):
        return ()
    return (*split(device if "/" in device else f"rbd/{device}"), *split(command_words(params)))


def read(line: str) -> tuple[str, str]:
    """The model of ``read DEV PARAMS``.

    A backslash vanishes, and keeps the next character from being a separator; with a newline behind
    it both vanish.

    :param line: without its newline.
    """
    chars: list[tuple[str, bool]] = []
    escaped = False
    for char in line:
        if char == "\\" and not escaped:
            escaped = True
            continue
        if not (escaped and char == "\n"):
            chars.append((char, not escaped and char in BLANKS))
        escaped = False
    text = "".join(char for char, _separates in chars)
    shape = "".join(" " if separates else "x" for _char, separates in chars)
    device, _blank, rest = shape.strip(" ").partition(" ")
    start = len(shape) - len(shape.lstrip(" "))
    end = len(shape.rstrip(" "))
    return text[start : start + len(device)], text[end - len(rest.lstrip(" ")) : end]


def command_words(params: str) -> str:
    """The model of create_cmd_params(), with its last ``echo -n``: the text that is then split."""
    out: list[str] = []
    started = quoted = False
    for char in params:
        if char == "#":  # in quotes, too
            break
        if char == "'":
            quoted, started = not quoted, True
        elif quoted:
            out.append(char)
        elif char == "=":
            out.append(" ")
        elif char == ",":
            out.append(" --")
            started = True
        else:
            out.append(char if started else f"--{char}")
            started = True
    text = "".join(out)
    # echo takes this for options of its own
    return "" if re.fullmatch(r"-[neE]+", text) else text


def split(text: str) -> tuple[str, ...]:
    """The words of an unquoted expansion."""
    return tuple(word for word in re.split(f"[{BLANKS}]+", text) if word)


def mangled(text: str) -> str | None:
    """The first character of a parameter's value that the script would not pass on as it is.

    A number sign cuts the value, an apostrophe and a backslash vanish, a blank splits, ``*``, ``?``
    and ``[`` are a pattern of file names. Control characters and bytes that are no text are refused
    along with them.
    """
    return next((char for char in text if char in "#'\\*?[ " or not char.isprintable()), None)
