"""Runs a study in forked children that die at a chosen moment; imports are paid for once, by the parent.

Reads JSON lines `{"study", "root", "log", "die_at", "die_after"}` and answers each with the child's exit status and the
processor's time that it took, in seconds. The child writes one line to `log` for every training step (`step`), every
block that is attacked (`block`), every target of a transfer (`target`), every probe (`probe`) and every sync of a file
in the making (`sync`), and kills itself with SIGKILL at line number `die_at`, where that is not null. Where `die_after`
is not null, the kernel ends it by SIGPROF, whose handler nobody has changed, once it has computed for so many seconds,
wherever it is.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import lightning_fabric  # noqa: F401
import sklearn.datasets  # noqa: F401

from brinell.probes import Gallery
from brinell.store import atomic
from brinell.study import Study, run
from brinell.study.tasks import attack
from brinell.training import checkpoint_intervals, loop


class Events:
    """Counts what happens, and dies on time."""

    def __init__(self, log: Path, die_at: int | None) -> None:
        self.file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.die_at, self.count = die_at, 0

    def before(self, function: Any, name: str) -> Any:
        """`function`, which says `name` before it does anything."""

        def told(*arguments: Any, **settings: Any) -> Any:
            self.count += 1
            os.write(self.file, f"{name}\n".encode())
            if self.count == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **settings)

        return told


def child(order: dict[str, Any]) -> None:
    """Run the study and leave without any cleaning up."""
    if order["die_after"] is not None:
        signal.setitimer(signal.ITIMER_PROF, order["die_after"])
    events = Events(Path(order["log"]), order["die_at"])
    sizes = importlib.import_module("brinell.container.sizes")
    sizes.PACKERS = {"deflate": sizes.PACKERS["deflate"]}  # the others take longer than everything else
    loop.TrainingLoop._step = events.before(loop.TrainingLoop._step, "step")
    attack.run_trial = events.before(attack.run_trial, "block")
    attack.craft = events.before(attack.craft, "block")
    attack.judge_crafted = events.before(attack.judge_crafted, "target")
    Gallery.ask = events.before(Gallery.ask, "probe")
    atomic._sync = events.before(atomic._sync, "sync")
    with checkpoint_intervals():  # a checkpoint after every step
        run(Study.from_yaml(order["study"]), out=order["root"], threads=1)


def main() -> None:
    """Serve until stdin ends."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line))
            except BaseException as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        _, status, usage = os.wait4(pid, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime]), flush=True)


if __name__ == "__main__":
    main()
