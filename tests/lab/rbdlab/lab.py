# SPDX-FileCopyrightText: cephclient.rbd contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory as a whole: what a command, a test or Molecule asks for."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import cephconf, inventory, network, subnet
from .accelerator import AUTO, FAST, choose, system_recipe
from .cluster import Cluster
from .errors import CancelledError, LabError
from .guest import BOOT_TIMEOUT, Guest, Origin
from .inventory import Facts
from .mirror import SUITES
from .network import Network
from .paths import Paths, locked
from .pod import Pod
from .privilege import explain, is_root
from .process import ProcessRecord, run_root, send
from .progress import Progress
from .recipe import Recipe, client_recipe, cluster_recipe
from .rootfs import Cache
from .ssh import Ssh
from .state import State
from .subnet import CEPH_HOST

DEFAULT_SUITE = "bookworm"


def chosen_accelerator(state: State | None, wanted: str | None) -> str:
    """Return what runs the guests; a laboratory keeps what it began with."""
    if state is None:
        return choose(wanted or os.environ.get("RBDLAB_ACCEL") or AUTO)
    if wanted not in {None, AUTO, FAST, state.accelerator}:
        raise LabError(f"Cannot switch to {wanted}: the laboratory runs {state.accelerator}. Run 'lab down' first.")
    return state.accelerator


@dataclass(frozen=True)
class HostStatus:
    """One line of ``lab status``."""

    name: str
    kind: str
    address: str
    state: str


class Lab:
    """The laboratory of one checkout."""

    def __init__(self, paths: Paths, progress: Progress) -> None:
        self.paths = paths
        self._progress = progress
        self._cache = Cache(paths.cache, progress)
        self._network = Network(paths.namespace, paths.interface)
        self._ssh = Ssh(paths.ssh)
        self._pod = Pod(paths.pod, self._network)

    @classmethod
    def here(cls, progress: Progress | None = None, name: str | None = None) -> Lab:
        """Return the laboratory of the checkout that this file belongs to."""
        checkout = Path(__file__).resolve().parents[3]
        chosen = os.environ.get("RBDLAB_NAME", "") if name is None else name
        return cls(Paths.of(checkout, os.environ, chosen), progress or Progress())

    def build(self, suite: str | None = None) -> None:
        """Build the root file systems that the cache does not have, and the accelerator's, beside each other."""
        chosen = suite or os.environ.get("RBDLAB_SUITE") or DEFAULT_SUITE
        system = system_recipe(chosen_accelerator(None, None), chosen)
        recipes = {recipe.key: recipe for recipe in (cluster_recipe(chosen), client_recipe(chosen), system)}
        self._together([partial(self._build, recipe) for recipe in recipes.values()])

    def _build(self, recipe: Recipe) -> None:
        self._cache.get(recipe)

    # -- up and down ---------------------------------------------------------------------------------

    def up(
        self,
        guests: Sequence[str] = (),
        suite: str | None = None,
        accelerator: str | None = None,
        *,
        kernel_arguments: str = "",
        timeout: float = BOOT_TIMEOUT,
    ) -> None:
        """Bring up the cluster and these guests; what runs stays."""
        reason = explain()
        if reason:
            self._progress.say("lab", reason)
        with self._lock():
            self._progress.begin()
            state = self._prepare(guests, suite, accelerator)
            jobs: list[Callable[[], None]] = [lambda: self._cluster_up(state)]
            if guests:
                jobs.append(lambda: self._guests_up(state, guests, kernel_arguments, timeout))
            self._together(jobs)

    def _prepare(self, guests: Sequence[str], suite: str | None, accelerator: str | None) -> State:
        state = State.load(self.paths.record)
        runner = chosen_accelerator(state, accelerator)
        wanted = suite or (state.suite if state else os.environ.get("RBDLAB_SUITE") or DEFAULT_SUITE)
        if wanted not in SUITES:
            raise LabError(f"Cannot use the suite {wanted}: known are {', '.join(SUITES)}. Name one of these.")
        if state is not None and state.suite != wanted:
            raise LabError(f"Cannot switch to {wanted}: the laboratory runs {state.suite}. Run 'lab down' first.")
        self.paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.paths.cache / "locks" / "network"):
            if state is None:
                state = State.new(wanted, subnet.choose(self.paths.id, network.taken()), runner)
            for name in guests:
                state.add_guest(name)
            state.save(self.paths.record)
            if not self._network.exists():
                self._progress.say("lab", f"network {state.subnet} in the namespace {self.paths.namespace}")
                self._end_strays()
                self._network.down()
                self._network.up(state.network)
        self._ssh.prepare(state.hosts())
        return state

    def _together(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run jobs at the same time; the first failure ends the others' waiting and is raised."""
        failure: BaseException | None = None
        with ThreadPoolExecutor(len(jobs)) as pool:
            futures = [pool.submit(job) for job in jobs]
            try:
                for future in as_completed(futures):
                    error = future.exception()
                    if error is not None and (failure is None or isinstance(failure, CancelledError)):
                        failure = error
                        self._progress.cancel()
            except BaseException:
                self._progress.cancel()
                raise
        if failure is not None:
            raise failure

    def _cluster_up(self, state: State) -> None:
        recipe = cluster_recipe(state.suite)
        self._cluster(state).up(lambda: self._cache.get(recipe) / "rootfs")

    def _guests_up(self, state: State, names: Sequence[str], kernel_arguments: str, timeout: float) -> None:
        client, system = client_recipe(state.suite), system_recipe(state.accelerator, state.suite)
        guests = [self._guest(state, name) for name in names]

        def origin() -> Origin:
            return Origin(self._cache.get(client), self._cache.get(system))

        def job(guest: Guest) -> Callable[[], None]:
            return lambda: guest.up(origin, self._network, kernel_arguments, timeout)

        self._together([job(guest) for guest in guests])

    def down(self) -> None:
        """End every process of the laboratory and remove everything but the cache."""
        with self._lock():
            directory = self.paths.state / "guests"
            for record in sorted(directory.glob("*/machine.json")) if directory.is_dir() else []:
                process = ProcessRecord.load(record)
                if process is not None and process.alive():
                    self._progress.say(record.parent.name, "ending")
                    process.end(signal.SIGKILL)
            if self._pod.process() is not None:
                self._progress.say(CEPH_HOST, "ending")
                self._pod.stop()
            self._end_strays()
            self._network.down()
            self._remove_state()
        self._progress.say("lab", "down")

    def _end_strays(self) -> None:
        """End what still runs in the laboratory's own namespace: what a half-failed ``up`` left."""
        for pid in self._network.pids():
            record = ProcessRecord.of(pid)
            send(pid, signal.SIGKILL)
            if record is not None and not record.end(signal.SIGKILL):
                raise LabError(f"Cannot end process {pid} in {self.paths.namespace}. Look at it with ps.")

    def _remove_state(self) -> None:
        if not self.paths.state.exists():
            return
        if is_root():
            shutil.rmtree(self.paths.state)
        else:
            run_root(["rm", "-rf", "--one-file-system", str(self.paths.state)])
        try:
            self.paths.state.parent.rmdir()
        except OSError:
            return  # another laboratory's state is in it

    def clean_cache(self) -> None:
        """Remove the cached root file systems; refused while any laboratory uses them."""
        states = self.paths.state.parent
        if states.is_dir() and any(states.iterdir()):
            raise LabError(f"Cannot clean the cache: a laboratory has state in {states}. Run 'lab down' there first.")
        self._cache.clear()

    # -- hosts ---------------------------------------------------------------------------------------

    def status(self) -> list[HostStatus]:
        """Return the state of every host; empty if there is no laboratory."""
        state = State.load(self.paths.record)
        if state is None:
            return []
        problem = self._cluster(state).problem()
        rows = [HostStatus(CEPH_HOST, "cluster", str(state.ceph_address), problem or "up")]
        for name in state.guests:
            guest = self._guest(state, name)
            rows.append(HostStatus(name, "guest", str(guest.address), guest.status()))
        return rows

    def cluster(self) -> Cluster:
        """Return the running cluster."""
        return self._cluster(self._state())

    def plug(self, name: str) -> None:
        """Put a guest back on the network."""
        self._network.plug(self.guest(name).tap)

    def unplug(self, name: str) -> None:
        """Take a guest off the network."""
        self._network.unplug(self.guest(name).tap)

    def guest(self, name: str) -> Guest:
        """Return a guest of the running laboratory."""
        state = self._state()
        if name == CEPH_HOST:
            raise LabError(f"Cannot take {name} for a guest: it is the cluster. 'lab ssh {name}' leads to it.")
        if name not in state.guests:
            known = ", ".join(state.guests) or "none"
            raise LabError(f"Cannot find a guest {name}: the guests are: {known}. 'lab up {name}' makes it.")
        return self._guest(state, name)

    def ssh_argv(self, name: str, command: Sequence[str] = ()) -> list[str]:
        """Return the command line of an SSH session on a host."""
        state = self._state()
        hosts = state.hosts()
        if name not in hosts:
            raise LabError(f"Cannot find the host {name}: the hosts are: {', '.join(hosts)}. See 'lab status'.")
        if name in state.guests:
            self._guest(state, name).require_running("log in to")
        return self._ssh.argv(hosts[name], command)

    def inventory(self) -> str:
        """Return the Ansible inventory."""
        return inventory.render(self._facts(self._state()))

    def inventory_list(self) -> str:
        """Return the same as an inventory script does, also where there is no laboratory yet."""
        state = State.load(self.paths.record)
        return inventory.render_list(None if state is None else self._facts(state))

    def _facts(self, state: State) -> Facts:
        conf = cephconf.client_conf(state.fsid, state.ceph_address)
        clients = {name: state.guest_address(name) for name in state.guests}
        return Facts(state.suite, state.ceph_address, clients, state.fsid, conf, self._ssh.key, self._ssh.known_hosts)

    def _state(self) -> State:
        state = State.load(self.paths.record)
        if state is None:
            raise LabError("There is no laboratory for this checkout. Run 'lab up'.")
        return state

    def _cluster(self, state: State) -> Cluster:
        return Cluster(self._pod, state, self._ssh, self._progress)

    def _guest(self, state: State, name: str) -> Guest:
        return Guest(name, self.paths, state, self._ssh, self._progress)

    def _lock(self) -> AbstractContextManager[None]:
        return locked(
            self.paths.cache / "locks" / f"lab-{self.paths.id}",
            lambda: self._progress.say("lab", "waiting for another command on this laboratory"),
        )
