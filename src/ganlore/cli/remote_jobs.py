"""Jobs on a machine that Snakemake has sent them to: a node of a cluster, a container of a cloud.

There a Snakemake of its own runs one job, or a group of them, in the environment of the machine
that sent it. `begin` gives it workers of its own, which serve the whole group: those of that other
machine cannot be reached, or are outside of what the cluster has given to this job.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from ganlore.cli import client, worker_server
from ganlore.execution import gpu_slots, records


def begin() -> None:
    """Prepare this process for its jobs: workers, places on GPUs, and states that stay.

    Places are counted in a folder of this process: clusters number the GPUs of each of their jobs
    from 0, so that jobs side by side on one node name different GPUs alike. `GANLORE_SLOTS` names
    another folder.
    """
    os.environ.pop(client.ADDRESS, None)
    os.environ[records.KEEP_STATE] = "1"
    if gpu_slots.FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="ganlore-gpus-")
        os.environ[gpu_slots.FOLDER] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    worker_server.start()
