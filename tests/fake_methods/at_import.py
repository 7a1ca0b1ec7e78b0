"""Modules that misbehave when they are imported, or whose class cannot be built."""

from tests.fake_methods.registered import SLEEP

AT_IMPORT = {
    "leaves_zero": ("error", "import sys; sys.exit(0)"),
    "exits_zero": ("error", "import os; os._exit(0)"),
    "sleeps": ("timeout", "import time; time.sleep(3600)"),
    "changes_folder": ("ok", "import os; os.chdir('/')"),
    "closes_output": ("ok", "import os; os.close(1); os.close(2)"),
    "closes_everything": ("error", "import os; os.closerange(3, 4096)"),
    "raises": ("error", "raise RuntimeError('not today')"),
    "is_no_python": ("error", "def (:"),
    "lacks_a_module": ("error", "import module_that_is_not_there"),
    "forks": ("ok", "import os; os.fork()"),
    "patches": ("ok", "import numpy as np; np.square = np.abs; np.sqrt = np.mean"),
    "patches_os": ("ok", "import os; os.fork = os.waitpid = None"),
    "empties_environment": ("ok", "import os; os.environ.clear()"),
    "starts_threads": (
        "ok",
        "import threading, time; threading.Thread(target=time.sleep, args=(3600,)).start()",
    ),
    "spawns": (
        "ok",
        f"import subprocess; subprocess.Popen({SLEEP!r}, env={{}}, start_new_session=True)",
    ),
    "kills_its_parent": ("error", "import os; os.kill(os.getppid(), 9)"),
    "recurses": ("error", "f = lambda: f()\nf()"),
    "says_a_huge_number": (
        "error",
        "from tests.fake_methods.frames import says_a_huge_number as says\nsays()",
    ),
    "writes_rubbish": (
        "error",
        "from tests.fake_methods.frames import write_everywhere as write\nwrite(b'rubbish' * 1000)",
    ),
}


MODULE = """{line}
from baselines.linear import Linear


class Method(Linear):
    pass
"""


def write_modules(folder):
    """Writes a module for each of `AT_IMPORT`; returns {method: status}."""
    for name, (_, line) in AT_IMPORT.items():
        (folder / f"rogue_{name}.py").write_text(MODULE.format(line=line))
    return {f"rogue_{name}:Method": status for name, (status, _) in AT_IMPORT.items()}
