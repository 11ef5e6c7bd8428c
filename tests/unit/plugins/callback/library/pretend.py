# SPDX-FileCopyrightText: cephclient.rbd contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pretends a long operation of librbd: it goes on when the test has seen how far it is."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Callable

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cephclient.rbd.plugins.module_utils._system import progress

PATIENCE = 60.0


def work(on_progress: Callable[[int, int], int], seen: Path) -> None:
    """Like librbd: from a thread of its own, for each object, and without a last call at the end."""
    deadline = time.monotonic() + PATIENCE
    while not seen.exists() and time.monotonic() < deadline:
        on_progress(115, 256)
        time.sleep(0.01)


def main() -> None:
    module = AnsibleModule(argument_spec={"image": {"type": "str"}, "seen": {"type": "path"}})
    told = progress.for_module(module)
    told.step("flatten", module.params["image"], 2, 3)
    on_progress = told.watch("flatten", module.params["image"])
    thread = threading.Thread(target=work, args=(on_progress, Path(module.params["seen"])))
    thread.start()
    thread.join()
    module.exit_json(seen=Path(module.params["seen"]).exists())


if __name__ == "__main__":
    main()
