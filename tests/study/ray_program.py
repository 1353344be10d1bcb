"""Runs a study on Ray in a process of its own, whose only worker is killed in its first task; then once more, in peace.

Ray leaves its helpers' `Popen` objects to the interpreter's end, which the tests would take for a leak of ours.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from brinell.store import RunStore
from brinell.study import Event, Study, TaskProgress, run


def main(study: Path, folder: Path) -> None:
    """Print what became of the two runs in `folder`."""
    os.chdir(folder)
    value, killed = Study.from_yaml(study), []

    def kill(event: Event) -> None:
        if isinstance(event, TaskProgress) and not killed:
            (worker,) = (each for each in Path("/proc").glob("[0-9]*") if ours(each))
            os.kill(int(worker.name), signal.SIGKILL)
            killed.append(event.task.id)

    first = run(value, out="run", executor="ray", workers=1, threads=1, observe=kill)
    failures = [*RunStore.open(Path("run")).failures()]
    second = run(value, out="run", executor="ray", workers=2, threads=1)
    result = {
        "killed": killed,
        "first": sorted({ending.status for ending in first.endings}),
        "failures": failures,
        "second": sorted({ending.status for ending in second.endings}),
    }
    print(json.dumps(result))


def ours(process: Path) -> bool:
    """Whether it is a worker of the Ray that this process has started."""
    try:
        names = (process / "cmdline").read_bytes()
        return b"ray::_WorkerActor" in names and (process / "cwd").resolve() == Path.cwd()
    except OSError:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
