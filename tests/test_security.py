"""Nothing on a runtime path unpickles, evals or execs: the code is walked, and a run is watched."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from headway.paths import sample_dir

ROOT = Path(__file__).parents[1]
MODULES = {"pickle", "cPickle", "_pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {("torch", "load"), ("yaml", "load"), ("yaml", "unsafe_load"), ("yaml", "full_load"), ("os", "system")}


def runtime_files():
    linked = [ROOT / "headway" / name for name in ("nodes", "models", "export", "evaluate")]
    files = [p for p in (ROOT / "headway").rglob("*.py") if not any(p.is_relative_to(folder) for folder in linked)]
    return sorted(files + list((ROOT / "nodes").rglob("*.py")))


def offences(source):
    """What a module's source may not hold, as (line, what)."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [(node.lineno, name) for name in names if name.split(".")[0] in MODULES]
        elif isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in BUILTINS:
                found.append((node.lineno, function.id))
            owner = function.value if isinstance(function, ast.Attribute) else None
            if isinstance(owner, ast.Name) and (owner.id, function.attr) in METHODS:
                found.append((node.lineno, f"{owner.id}.{function.attr}"))
            found += [
                (node.lineno, k.arg)
                for k in node.keywords
                if k.arg in ("allow_pickle", "shell") and not (isinstance(k.value, ast.Constant) and not k.value.value)
            ]
    return found


def test_no_runtime_module_unpickles_evals_or_execs():
    files = runtime_files()
    assert len(files) > 80
    found = {str(f.relative_to(ROOT)): o for f in files if (o := offences(f.read_text(encoding="utf-8")))}
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "exec(text)",
        "import torch\ntorch.load('x')",
        "yaml.load(text)",
        "np.load(f, allow_pickle=True)",
        "subprocess.run('ls', shell=True)",
    ],
)
def test_the_walk_would_find_it(source):
    assert offences(source)


def test_the_walk_leaves_ordinary_code_alone():
    assert offences("import json\nnetwork.eval()\nyaml.safe_load(t)\nnp.load(f, allow_pickle=False)") == []


WATCHED = """
import sys
from pathlib import Path
from headway.replay import replay
import headway.bags, headway.node_config, onnxruntime, rosbags.typesys  # libraries compile themselves while imported
import yaml, cv2, scipy.special, headway.faults.judge
seen, by_rosbags = [], []
def callers(frame):
    names = []
    while frame:
        names.append(frame.f_globals.get("__name__", ""))
        frame = frame.f_back
    return [name for name in names if name != "dataclasses"]
def hook(event, arguments):
    if event in ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "socket.connect"):
        seen.append((event, str(arguments)[:200]))
    elif event in ("exec", "compile"):
        # A module that is imported is compiled and executed, and rosbags makes classes and functions of message
        # definitions; both are known. Anybody else who turns text into code is found.
        names = callers(sys._getframe(1))
        if names and names[0].startswith("rosbags."):
            by_rosbags.append(event)
        elif not any(name.startswith("importlib._bootstrap") for name in names):
            seen.append((event, names[0], str(arguments)[:200]))
sys.addaudithook(hook)
result = replay(Path(sys.argv[1]), Path(sys.argv[2]), limit=5)
assert result.frames == 5
print(seen)
if sys.argv[3] == "offend":
    import pickle
    pickle.loads(pickle.dumps(Path))
    exec("1 + 1")
    print(sorted({event[0] for event in seen}), len(by_rosbags))
"""


def watched(tmp_path, *words):
    command = [sys.executable, "-c", WATCHED, str(sample_dir() / "street-vehicle.mcap"), str(tmp_path / "o.mcap")]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=True).stdout.split("\n")


def test_a_replay_unpickles_nothing_starts_nothing_and_connects_to_nothing(tmp_path):
    lines = watched(tmp_path, "offend")
    assert lines[0] == "[]"
    assert lines[1].startswith("['compile', 'exec', 'pickle.find_class']"), "the hook sees what it is there for"
    assert int(lines[1].rpartition(" ")[2]) > 0, "and knows rosbags' functions"
