"""A cluster of Ray whose machines are processes of this one: for tests, and for the bench."""

import contextlib
import os
import socket
from pathlib import Path
from unittest.mock import patch

from util.archive import on_ray
from util.data.cohort import HOME

PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


@contextlib.contextmanager
def running_cluster(home: Path, cores=on_ray.CORES):
    """A `ray.cluster_utils.Cluster` with one machine, its head; `home` is the folder that Ray takes for the user's."""
    import ray
    from ray._private.authentication_test_utils import reset_auth_token_state
    from ray.cluster_utils import Cluster

    settings = on_ray.QUIET | {"HOME": str(home), "PYTHONPATH": str(HOME), "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
    with patch.dict(os.environ, settings):
        reset_auth_token_state()  # Ray has looked at the variables when it was imported
        head = machine(cores) | {"include_dashboard": False}
        cluster = started(lambda: Cluster(initialize_head=True, head_node_args=head))
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def add_machine(cluster, cores=on_ray.CORES):
    """One machine more; returns what `cluster.remove_node` takes."""
    return started(lambda: cluster.add_node(**machine(cores)))


def machine(cores):
    """What a machine of the cluster has. Its ports are named, for Ray waits for others only some seconds."""
    ports = {}
    with contextlib.ExitStack() as stack:
        for name in PORTS:
            free = stack.enter_context(socket.socket())
            free.bind(("127.0.0.1", 0))
            ports[name] = free.getsockname()[1]
    return {"num_cpus": cores, "object_store_memory": 100_000_000} | ports


def started(start, attempts=3):
    """What `start` returns; Ray gives up on a machine with much to do after half a minute."""
    for attempt in range(attempts):
        try:
            return start()
        except Exception:  # Ray raises plain exceptions here
            if attempt + 1 == attempts:
                raise
