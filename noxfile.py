# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of this collection, one session each: ``.venv/bin/nox --list``.

All sessions share the environment that nox itself runs in (``.venv``, made by
``make venv`` from requirements-dev.txt): one ansible-core installed once, and
the same versions whichever session runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
WORK = ROOT / ".nox"
COLLECTION = Path("ansible_collections", "cephclient", "rbd")
BENCHMARKS = ("image", "info", "import_file", "boot")

if not (BIN / "ansible-test").exists():
    sys.exit(f"No ansible-test beside {sys.executable}. Run 'make venv', then '.venv/bin/nox'.")

# Tools call each other by name (ansible-lint calls ansible-playbook, molecule calls ansible-galaxy).
os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"

WORK.mkdir(exist_ok=True)
nox.options.default_venv_backend = "none"
# Which sessions run beside each other, and what each of their steps costs: tests/tools/checks.
nox.options.sessions = ["test"]


@nox.session
def test(session: nox.Session) -> None:
    """What tells a newcomer that it works: most sessions, and the scenario default."""
    _run_checks(session, "test")


@nox.session
def test_all(session: nox.Session) -> None:
    """Every check; after --: --from CHECK goes on where an earlier run has failed."""
    _run_checks(session, "all")


@nox.session
def proofs(session: nox.Session) -> None:
    """Write the list of every test with the check that runs it, which a unit test compares."""
    _run_checks(session, "proofs")


@nox.session
def figures(session: nox.Session) -> None:
    """Take the times of the last run as the figures that later runs are compared with."""
    _run_checks(session, "figures")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and licences: ruff, yamllint, ansible-lint over what is released, shellcheck, reuse."""
    session.run("ruff", "check")
    session.run("ruff", "format", "--check", "--diff")
    session.run("yamllint", "--strict", ".")
    files = _repository_files()
    # The directory of the role stands for the role itself; of a module, its examples are looked at.
    roles = [str(path.relative_to(ROOT)) for path in ROOT.glob("roles/*")]
    modules = [name for name in files if re.fullmatch(r"plugins/modules/\w+\.py", name)]
    _ansible_lint(session, [*roles, *modules, *(name for name in files if _is_released_yaml(name))])
    session.run("shellcheck", *(name for name in files if name.endswith(".sh") or name == ".ci/run"))
    session.run("reuse", "lint", "--lines")


@nox.session
def lint_scenarios(session: nox.Session) -> None:
    """Ansible-lint over all the rest: it runs ansible-playbook once for each playbook."""
    yaml = [name for name in _repository_files() if name.endswith((".yml", ".yaml"))]
    _ansible_lint(session, [name for name in yaml if not _is_released_yaml(name)])


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict: the plugins under their real package name, then the programs beside them."""
    link = _link_collection()
    if (ROOT / "plugins").exists():
        package = ".".join([*COLLECTION.parts, "plugins"])
        session.run("mypy", "--package", package, env={"MYPYPATH": str(link)})
    # These run on the controller, which has at least the Python of ansible-core 2.19.
    programs = (
        "noxfile.py",
        "tests/lab",
        "tests/demo",
        "tests/integration",
        "tests/benchmark",
        "tests/canary",
        "tests/tools",
        "extensions/molecule/action_plugins",
        "extensions/molecule/strategy_plugins",
    )
    existing = [name for name in programs if (ROOT / name).exists()]
    places = (f"tests/{name}" for name in ("lab", "tools", "integration", "durability", "benchmark"))
    imports = {"MYPYPATH": ":".join(places)}
    session.run("mypy", "--python-version", "3.11", *existing, env=imports)
    # By themselves, since mypy knows one module called conftest at a time.
    session.run("mypy", "--python-version", "3.11", "tests/durability", env=imports)


@nox.session
def docs(session: nox.Session) -> None:
    """Documentation of modules, roles and guides, and the changelog fragments."""
    # Another home keeps antsibull-docs from leaving a log in the user's own.
    home = {"HOME": str(WORK / "docs")}
    with session.chdir(_copy_collection(WORK / "docs")):
        references = ("--check-extra-docs-refs", "--validate-collection-refs", "dependent")
        session.run("antsibull-docs", "lint-collection-docs", "--plugin-docs", *references, ".", env=home)
        session.run("antsibull-changelog", "lint")


@nox.session
def sanity(session: nox.Session) -> None:
    """Run ansible-test sanity, all of it, without an ignore file."""
    # Two of its checks run beside each other.
    tree = _copy_collection(WORK / "sanity" / hashlib.sha256(" ".join(session.posargs).encode()).hexdigest()[:8])
    _provide_pip_bootstrap(session)
    # The import and compile tests use every supported Python that they find. Those of
    # pyenv must be shown to them, because its shims exist for versions that do not run.
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    places = [str(path) for path in sorted(pyenv.glob("versions/3.*/bin"))]
    places += [place for place in os.environ["PATH"].split(os.pathsep) if Path(place).name != "shims"]
    environment = {"PATH": os.pathsep.join([str(BIN), *places]), "PIP_QUIET": "1"}
    with session.chdir(tree):
        session.run("ansible-test", "sanity", "--color", "yes", *session.posargs, env=environment)


@nox.session
def unit(session: nox.Session) -> None:
    """Unit, property and architecture tests."""
    session.run("pytest", "--numprocesses", "auto", *session.posargs)


@nox.session
def durability(session: nox.Session) -> None:
    """Kill, starve and crowd runs in the middle of their writes, as root; with --thorough for minutes."""
    if not (ROOT / "tests" / "durability").exists():
        session.skip("there is no tests/durability yet")
    # Without a path among the arguments, these tests are meant.
    session.run(
        "pytest", "--verbose", "--numprocesses", "auto", "--override-ini", "testpaths=tests/durability",
        *session.posargs,
    )  # fmt: skip


@nox.session
def integration(session: nox.Session) -> None:
    """Run the modules with the real librbd against a real cluster on loopback."""
    if not (ROOT / "tests" / "integration").exists():
        session.skip("there is no tests/integration yet")
    # Each process starts a cluster of its own. Without a path among the arguments, these tests are meant.
    # Verbose, so that the log of a run that was ended names what had failed by then.
    session.run(
        "pytest", "--verbose", "--numprocesses", "auto", "--dist", "loadfile",
        "--override-ini", "testpaths=tests/integration", *session.posargs,
    )  # fmt: skip


@nox.session
def benchmark(session: nox.Session) -> None:
    """Time the modules beside the same without them; one benchmark by its name, or all of them."""
    imports = {"PYTHONPATH": "tests/lab:tests/integration", **_installed_collection(session)}
    for name in session.posargs[:1] or BENCHMARKS:
        session.run("python", f"tests/benchmark/{name}.py", *session.posargs[1:], env=imports)


@nox.session
def molecule(session: nox.Session) -> None:
    """Run the scenarios of extensions/molecule, or those named by --scenario-name, each in a laboratory of its own."""
    names = [] if "--scenario-name" in session.posargs else _scenarios()
    for arguments in [["--scenario-name", name, *session.posargs] for name in names] or [session.posargs]:
        name = next(iter(arguments[arguments.index("--scenario-name") + 1 :]), "")
        if name not in _scenarios():
            session.error(f"Cannot run the scenario {name!r}: the scenarios are {', '.join(_scenarios())}")
        laboratory = {"RBDLAB_NAME": os.environ.get("RBDLAB_NAME") or name}
        environment = {**_installed_collection(session), **_new_molecule_state(name), **laboratory}
        try:
            session.run("molecule", "test", *arguments, env=environment)
        finally:
            # Molecule destroys nothing where another step than destroy has failed before it.
            session.run("tests/lab/lab", "down", env=laboratory, external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """Mount two images in the laboratory, reboot, and show that they are back."""
    if not (ROOT / "tests" / "demo" / "demo.py").exists():
        session.skip("there is no tests/demo/demo.py yet")
    session.run("python", "tests/demo/demo.py", *session.posargs, env=_installed_collection(session))


def _is_released_yaml(name: str) -> bool:
    return name.endswith((".yml", ".yaml")) and name.startswith(("roles/", "playbooks/", "meta/", "galaxy.yml"))


def _ansible_lint(session: nox.Session, names: list[str]) -> None:
    session.run("ansible-lint", "--offline", *names, env={"ANSIBLE_COLLECTIONS_PATH": str(_link_collection())})


def _run_checks(session: nox.Session, tier: str) -> None:
    # It ends what it has started by itself, for which nox by default leaves it half a second.
    session.run(
        "python", "-m", "checks", tier, *session.posargs, env={"PYTHONPATH": "tests/tools:tests/lab"},
        interrupt_timeout=None, terminate_timeout=None,
    )  # fmt: skip


def _scenarios() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("extensions/molecule/*/molecule.yml"))


def _new_molecule_state(name: str) -> dict[str, str]:
    """Give molecule an empty directory for its state, and return the variable that names it.

    By itself it keeps its state in the home directory, under a name made of nothing but the last part of the
    checkout's path (``Scenario.ephemeral_directory``). What a run that was cut off has left there says that hosts
    exist, also to another checkout of that name, whose laboratory molecule then would not start.
    """
    directory = WORK / name / "molecule"
    shutil.rmtree(directory, ignore_errors=True)
    return {"MOLECULE_EPHEMERAL_DIRECTORY": str(directory)}


def _repository_files() -> list[str]:
    """Return what git would commit: tracked files and new ones, without the ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.check_output(command, cwd=ROOT, text=True)
    return sorted(name for name in output.split("\0") if name and (ROOT / name).is_file())


def _copy_collection(place: Path) -> Path:
    """Copy the repository's files below ``place`` where Ansible's tools expect a collection.

    The copy is a repository too: ansible-test and antsibull-docs look upwards for
    one and take its word for what exists. The checkout, where everything below
    .nox is ignored, would tell them that there is nothing to check.
    """
    shutil.rmtree(place, ignore_errors=True)
    for name in _repository_files():
        target = place / COLLECTION / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    subprocess.check_call(["git", "init", "--quiet", str(place / COLLECTION)])
    return place / COLLECTION


def _link_collection() -> Path:
    """Link the checkout into a collection path, so that messages name the files one edits."""
    place = WORK / "link"
    link = place / COLLECTION
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.readlink() != ROOT:
        # Sessions that run beside each other use it.
        new = link.with_name(f"rbd.{os.getpid()}")
        new.symlink_to(ROOT)
        new.replace(link)
    return place


def _installed_collection(session: nox.Session) -> dict[str, str]:
    """Build the release archive, install it, and return the environment that finds it.

    What runs in the laboratory is what a user would get, so a file that the
    archive lacks is missed here first. It is built once for the same files, since
    sessions that run beside each other use it.
    """
    names = _repository_files()
    content = hashlib.sha256(b"\0".join(name.encode() + b"\0" + (ROOT / name).read_bytes() for name in names))
    place = WORK / "installed" / content.hexdigest()[:16]
    (WORK / "installed").mkdir(exist_ok=True)
    with (WORK / "installed" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            _install_collection(session, place)
    return {"ANSIBLE_COLLECTIONS_PATH": str(place)}


def _install_collection(session: nox.Session, place: Path) -> None:
    tree = _copy_collection(WORK / "build")
    new = place.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    galaxy = ("ansible-galaxy", "collection")
    session.run(*galaxy, "build", "--force", "--output-path", str(new), str(tree), silent=True)
    archives = [str(path) for path in new.glob("*.tar.gz")]
    session.run(*galaxy, "install", "--force", "--offline", "--collections-path", str(new), *archives, silent=True)
    new.rename(place)


def _provide_pip_bootstrap(session: nox.Session) -> None:
    """Give ansible-test its pip from the configured package index.

    For its own environments ansible-test downloads a pip bootstrap from a server
    of the Ansible project, the only thing it wants from outside the package index,
    and not to be had behind a mirror or without the Internet. Where its cache is
    still empty, put a script there that does the same with the wheel of that version.
    """
    source = Path(sysconfig.get_path("purelib"), "ansible_test", "_internal", "python_requirements.py")
    found = re.search(r"pip='([\d.]+)'", source.read_text(encoding="utf-8"))
    if not found:
        session.error(f"Cannot find the version of pip that ansible-test wants in {source}.")
    version = found.group(1)
    cache = Path("~/.ansible/test/cache").expanduser()
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    if script.exists():
        return
    session.run("pip", "download", "--quiet", "--no-deps", "--dest", str(cache), f"pip=={version}")
    wheel = cache / f"pip-{version}-py3-none-any.whl"
    new = script.with_suffix(f".{os.getpid()}")
    new.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(wheel)!r})\n"
        "from pip._internal.cli.main import main\n"
        f"sys.exit(main(['install', '--no-index', '--disable-pip-version-check', {str(wheel)!r}]))\n",
        encoding="utf-8",
    )
    new.replace(script)
