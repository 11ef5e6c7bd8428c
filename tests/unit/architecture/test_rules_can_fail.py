# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule finds its violation, and leaves alone what merely looks like one.

A rule that cannot fail protects nothing: when one is changed, this shows that it still bites.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.cephclient.rbd.tests.unit.architecture import budgets, metadata, promises, purity

Rule = Callable[[Path], list[str]]

UTILS = "plugins/module_utils"
FULL = "ansible_collections.cephclient.rbd.plugins.module_utils"
# REUSE-IgnoreStart
HEADER = "# SPDX-FileCopyrightText: cephclient.rbd contributors\n# SPDX-License-Identifier: GPL-3.0-or-later\n"
# REUSE-IgnoreEnd
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 40
DOCUMENTED_FUNCTION = 'def f():\n    """' + "Text.\n" * 40 + '    """\n' + "    x = 1\n" * 39
RUNTIME = "meta/runtime.yml"
PROMISE = """\
   * - {promise}
     - {tests}
     - 1 run,
       of three
     - unit
"""


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def _group(*names: str) -> str:
    return "requires_ansible: '>=2.19.0'\naction_groups:\n  rbd: [" + ", ".join(names) + "]\n"


def _role(specs: str, defaults: str) -> dict[str, str]:
    return {
        "roles/r/meta/argument_specs.yml": "argument_specs:\n  main:\n    options: {" + specs + "}\n",
        "roles/r/defaults/main.yml": defaults,
    }


def _promises(tests: str, *files: str, promise: str = "It is kept,\n       always") -> dict[str, str]:
    rows = PROMISE.format(promise="Promise", tests="Test") + PROMISE.format(promise=promise, tests=tests)
    source = "class TestA:\n    def test_b(self) -> None:\n        pass\n"
    twice = "class TestTwice:\n    pass\n"
    named = {
        "tests/unit/test_a.py": source,
        "tests/unit/test_one.py": twice,
        "tests/unit/two/test_two.py": twice,
        "extensions/molecule/faults/tests/two/test_two.py": twice,
        "tests/unit/test_same.py": "class TestC:\n    def test_d():\n        pass\n    def test_d():\n        pass\n",
    }
    return {promises.TABLE: f"   :header-rows: 1\n\n{rows}", **named, **dict.fromkeys(files, "")}


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        (purity.impure_files, {f"{UTILS}/_a.py": "import os"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "import os.path"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "from pathlib import Path"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "def f():\n    import subprocess"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "from ansible.module_utils.basic import AnsibleModule"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "from ansible.module_utils import basic"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "from . import _system"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "from ._system import files"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "from ._system.files import Files"}),
        (purity.impure_files, {f"{UTILS}/_a.py": f"from {FULL}._system.files import Files"}),
        (purity.impure_files, {f"{UTILS}/_b/_a.py": "from .._system.files import Files"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "from ._module import execute", f"{UTILS}/_module.py": "import os"}),
        (
            purity.impure_files,
            {f"{UTILS}/_a.py": "from ._operations.b import b", f"{UTILS}/_operations/b.py": "import os"},
        ),
        (purity.impure_files, {f"{UTILS}/_a.py": "text = open('/etc/fstab')"}),
        (budgets.long_files, {f"{UTILS}/_a.py": "x = 1\n" * 401}),
        (budgets.long_files, {"tests/unit/test_a.py": "x = 1\n" * 401}),
        (budgets.long_files, {"noxfile.py": "x = 1\n" * 401}),
        (budgets.long_functions, {f"{UTILS}/_a.py": LONG_FUNCTION}),
        (budgets.long_functions, {f"{UTILS}/_a.py": "async " + LONG_FUNCTION}),
        (budgets.long_wiring, {"plugins/modules/a.py": "RETURN = ''\n" + "x = 1\n" * 121}),
        (budgets.dropped_exceptions, {f"{UTILS}/_a.py": "try:\n    f()\nexcept OSError:\n    pass"}),
        (budgets.dropped_exceptions, {f"{UTILS}/_a.py": "try:\n    f()\nexcept OSError:\n    ..."}),
        (budgets.dropped_exceptions, {f"{UTILS}/_a.py": "with contextlib.suppress(Exception):\n    f()"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "x = 1  # noqa"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "x = 1  # noqa: E501"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "x = 1  # noqa  # a reason but no rule"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "x = 1  # type: ignore[misc]"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "# ruff: noqa: E501"}),
        (budgets.changed_by_hand, {f"{UTILS}/_a.py": "module.exit_json(changed=True)"}),
        (budgets.changed_by_hand, {f"{UTILS}/_a.py": "changed = True"}),
        (budgets.changed_by_hand, {f"{UTILS}/_a.py": "result = {'changed': True}"}),
        (budgets.changed_by_hand, {f"{UTILS}/_a.py": "result['changed'] = True"}),
        (metadata.files_without_header, {"plugins/modules/a.py": "x = 1\n"}),
        (metadata.files_without_header, {"roles/r/tasks/main.yml": "---\n" + HEADER.splitlines()[0]}),
        (metadata.files_without_header, {"noxfile.py": "x = 1\n" * 10 + HEADER}),
        (metadata.public_module_utils, {f"{UTILS}/size.py": ""}),
        (metadata.action_group_differences, {RUNTIME: _group("a"), "plugins/modules/b.py": ""}),
        (metadata.action_group_differences, {RUNTIME: _group("a", "b"), "plugins/modules/a.py": ""}),
        (metadata.action_group_differences, {RUNTIME: _group("a", "a"), "plugins/modules/a.py": ""}),
        (metadata.wrong_requires_ansible, {RUNTIME: "requires_ansible: '>=2.15.0'"}),
        (metadata.wrong_requires_ansible, {RUNTIME: "action_groups: {}"}),
        (metadata.molecule_prerun, {"extensions/molecule/config.yml": "ansible: {}"}),
        (metadata.role_default_differences, _role("a: {default: 1}", "a: 2")),
        (metadata.role_default_differences, _role("a: {default: 1}", "a: '1'")),
        (metadata.role_default_differences, _role("a: {default: 1}", "a: true")),
        (metadata.role_default_differences, _role("a: {default: 1}", "")),
        (metadata.role_default_differences, _role("a: {required: true}", "a: 1")),
        (metadata.role_default_differences, _role("a: {default: 1}", "a: 1\nb: 2")),
        (metadata.role_default_differences, {"roles/r/defaults/main.yml": "a: 1"}),
        (promises.promises_without_test, _promises("by hand")),
        (promises.promises_without_test, _promises("by hand", promise="``test_b`` is not its test")),
        (promises.promises_without_test, _promises("``test_c``")),
        (promises.promises_without_test, _promises("``TestA``,\n       ``test_c``")),
        (promises.promises_without_test, _promises("``test_``")),
        (promises.promises_without_test, _promises("``tests/a``", "tests/unit/a/test_c.py")),
        (promises.promises_without_test, _promises("``TestTwice``")),
        (promises.promises_without_test, _promises("``test_d``")),
        (promises.promises_without_test, _promises("``test_a.py::TestTwice``")),
        (promises.promises_without_test, _promises("``one.py::TestTwice``")),
        (promises.promises_without_test, _promises("``test_one.py::TestTw``")),
        (promises.promises_without_test, _promises("``test_two.py::TestTwice``")),
        (promises.promises_without_test, _promises("``test_none.py::TestTwice``")),
        (promises.promises_without_test, _promises("``test_a.py::``")),
        (promises.promises_without_test, _promises("``test_b.py::TestB``", "tests/unit/test_b.py")),
    ],
)
def test_violation_is_found(rule: Rule, files: dict[str, str], tmp_path: Path) -> None:
    assert rule(_tree(tmp_path, files))


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        (purity.impure_files, {f"{UTILS}/_a.py": "import posixpath\nfrom dataclasses import dataclass"}),
        (
            purity.impure_files,
            {f"{UTILS}/_a.py": "from ._size import parse\nimport ansible.module_utils.common.text"},
        ),
        (purity.impure_files, {f"{UTILS}/_a.py": "from ._argspec import X", f"{UTILS}/_argspec.py": "import re"}),
        (purity.impure_files, {f"{UTILS}/_system/files.py": "import os", f"{UTILS}/_module.py": "import os"}),
        (purity.impure_files, {f"{UTILS}/_operations/b.py": "from .._system.files import Files"}),
        (purity.impure_files, {f"{UTILS}/_a.py": "import rbd_names\nfrom ._rbd import os_name"}),
        (budgets.long_files, {"plugins/modules/a.py": "# text\n" * 401}),
        (budgets.long_functions, {f"{UTILS}/_a.py": DOCUMENTED_FUNCTION}),
        (budgets.long_wiring, {"plugins/modules/a.py": "RETURN = '''" + "text\n" * 300 + "'''\n" + "x = 1\n" * 120}),
        (budgets.dropped_exceptions, {f"{UTILS}/_a.py": "with suppress(FileNotFoundError):\n    f()"}),
        (budgets.dropped_exceptions, {f"{UTILS}/_a.py": "try:\n    f()\nexcept OSError:\n    return None"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "x = 1  # noqa: S108  # the kernel fixes this path"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "x = 1  # type: ignore[misc]  # untyped upstream"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "x = 1  # noqa: S108 (the kernel fixes this path)"}),
        (budgets.unexplained_suppressions, {f"{UTILS}/_a.py": "text = '# noqa'"}),
        (budgets.changed_by_hand, {f"{UTILS}/_a.py": "module.exit_json(changed=bool(plan))\nchanged = False"}),
        (metadata.files_without_header, {"tests/unit/fixtures/a.yml": "", "plugins/modules/a.py": "#!/x\n" + HEADER}),
        (metadata.public_module_utils, {f"{UTILS}/_size.py": "", f"{UTILS}/__init__.py": ""}),
        (metadata.action_group_differences, {RUNTIME: _group("a"), "plugins/modules/a.py": ""}),
        (metadata.molecule_prerun, {"extensions/molecule/config.yml": "prerun: false"}),
        (metadata.role_default_differences, _role("a: {default: [1]}, b: {required: true}", "a: [1]")),
        (promises.promises_without_test, _promises("``TestA``,\n       ``test_b``, ``test_a.py``, ``tests/unit``")),
        (promises.promises_without_test, _promises("``a.yml``", "extensions/molecule/faults/a.yml")),
        (promises.promises_without_test, _promises("``test_one.py::TestTwice``, ``test_a.py::test_b``")),
        (promises.promises_without_test, _promises("``unit/two/test_two.py::TestTwice``")),
        (promises.promises_without_test, _promises("``test_same.py::test_d``")),
    ],
)
def test_innocent_is_left_alone(rule: Rule, files: dict[str, str], tmp_path: Path) -> None:
    assert rule(_tree(tmp_path, files)) == []


def test_the_complaint_tells_a_test_that_is_in_several_files_from_one_that_is_nowhere(tmp_path: Path) -> None:
    tests = "``TestTwice``, ``test_two.py::TestTwice``, ``test_c``"
    found = promises.promises_without_test(_tree(tmp_path, _promises(tests)))
    assert [complaint.removeprefix(f"{promises.TABLE}: the test ") for complaint in found] == [
        "TestTwice is in several files, named for: It is kept, always",
        "test_two.py::TestTwice is in several files, named for: It is kept, always",
        "test_c is nowhere, named for: It is kept, always",
    ]
