# Copyright 2026 The hf_attention authors. SPDX-License-Identifier: Apache-2.0

"""Training on two hosts: two network namespaces of this machine, joined by a cable (a veth pair)."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file


RUNS = Path(__file__).parent / "host_runs.py"
ADDRESSES = ("10.77.0.1", "10.77.0.2")
HOSTS = tuple(f"hf-attention-{os.getpid()}-{number}" for number in range(2))


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def hosts():
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need `ip` and root")
    try:
        for host in HOSTS:
            ip("netns", "add", host)
        ip("link", "add", "cable", "netns", HOSTS[0], "type", "veth", "peer", "name", "cable", "netns", HOSTS[1])
        for host, address in zip(HOSTS, ADDRESSES):
            ip("-n", host, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("cable", "lo"):
                ip("-n", host, "link", "set", device, "up")
        yield HOSTS
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine has no network namespaces: {error.stderr}")
    finally:
        for host in HOSTS:
            subprocess.run(f"kill -9 $(ip netns pids {host}); ip netns delete {host}", shell=True, capture_output=True)


def launch(hosts: tuple[str, str], folder: Path, name: str) -> list[tuple[int, str]]:
    """Returns the exit status and the errors of `torchrun` on each host."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    environment |= {"GLOO_SOCKET_IFNAME": "cable", "TQDM_DISABLE": "1"}
    processes = []
    for number, (host, address) in enumerate(zip(hosts, ADDRESSES)):
        # two hosts with one name cannot tell by themselves which of them the endpoint is
        torchrun = ["torch.distributed.run", "--local_addr", address, "--rdzv_conf", f"is_host={1 - number}"]
        torchrun += ["--nnodes", "2", "--nproc_per_node", "1", "--rdzv_backend", "c10d", "--rdzv_id", name]
        torchrun += ["--rdzv_endpoint", f"{ADDRESSES[0]}:29500"]
        with open(folder / f"{name}-{number}.log", "w") as log:
            command = ["ip", "netns", "exec", host, sys.executable, "-m", *torchrun, str(RUNS), str(folder), name]
            processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
    try:
        return [
            (process.wait(timeout=300), (folder / f"{name}-{number}.log").read_text())
            for number, process in enumerate(processes)
        ]
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def launches(hosts, tmp_path_factory):
    """The output folders of all runs, and how `torchrun` ended; each launch begins with what the last one left."""
    folder = tmp_path_factory.mktemp("hosts")
    return folder, {name: launch(hosts, folder, name) for name in ("first", "second", "third")}


@pytest.mark.parametrize("name", ["first", "second"])
def test_the_other_host_ends_and_says_how_to_go_on(launches, name):
    (status, log), lost = launches[1][name]
    assert status == 1
    assert lost[0] == -signal.SIGKILL
    assert "start all again with `--resume_from_checkpoint auto`" in log


@pytest.mark.parametrize("name", ["separate-0", "separate-1", "shared"])
def test_the_resumed_run_ends_in_the_weights_of_an_uninterrupted_one(launches, name):
    folder, _ = launches
    resumed, complete = (load_file(folder / run / "model.safetensors") for run in (name, "complete"))
    assert all(torch.equal(value, resumed[weight]) for weight, value in complete.items())
    assert not (folder / name / ".saving").exists()


def test_a_checkpoint_that_one_host_did_not_complete_is_passed_over(launches):
    """The other did, and waited for this one; `lose_in_save` has seen it."""
    _, (_, log) = launches[1]["second"]
    assert "separate-1/checkpoint-8 is not a complete checkpoint: the run ended while it was saved" in log


def test_checkpoints_on_one_host_alone_are_an_error(launches):
    (status, log), _ = launches[1]["third"]
    assert status == 1
    assert "Only some hosts have complete checkpoints" in log
    assert "set `--save_on_each_node true`" in log
