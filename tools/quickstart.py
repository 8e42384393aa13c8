"""The README's first command: a really trained model, registered, aliased, pulled elsewhere, predicting.

Needs Python 3.11 or newer and nothing else. Leaves the registry running and prints its address.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from environment import ROOT, make_environment, program_of, python_of

PLACE = ROOT / "modelyard-quickstart"
PORT = os.environ.get("MODELYARD_PORT", "8470")

TRAIN = """
import json, sys
import modelyard as my
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

frame = load_iris(as_frame=True).frame
features, labels = frame.drop(columns="target").to_numpy(), frame["target"].to_numpy()
train_x, test_x, train_y, test_y = train_test_split(features, labels, random_state=7, stratify=labels)
model = LogisticRegression(C=0.5, max_iter=500).fit(train_x, train_y)
accuracy = accuracy_score(test_y, model.predict(test_x))
version = my.push(
    model, "demo/iris", alias="champion", params={"C": 0.5, "max_iter": 500},
    metrics={"test:accuracy": accuracy}, data={"iris": frame}, example=train_x[:5],
)
print(f"registered {version.reference} with accuracy {accuracy:.3f}", file=sys.stderr)
print(json.dumps({"reference": version.reference, "inputs": test_x.tolist(), "predicted": model.predict(test_x).tolist()}))
"""

PREDICT = """
import json, sys
import modelyard as my
import numpy as np

given = json.load(sys.stdin)
model = my.load("demo/iris@champion")
print(json.dumps(model.predict(np.array(given["inputs"])).tolist()))
"""


def main() -> int:
    folder = make_environment(".venv-quickstart", "server,demo,data")
    PLACE.mkdir(exist_ok=True)
    environment = {**os.environ, "MODELYARD_HOME": str(PLACE / "home")}
    for name in ("MODELYARD_URL", "MODELYARD_TOKEN"):
        environment.pop(name, None)
    modelyard = str(program_of(folder, "modelyard"))
    say("starting a registry")
    url, login_url, pid = start(modelyard, environment)
    say("training a model and registering it")
    trained = json.loads(python(folder, TRAIN, environment))
    run([modelyard, "alias", "set", trained["reference"], "production-candidate"], environment)
    say("pulling it on another machine, and predicting there")
    elsewhere = PLACE / "another-machine"
    # A cache of its own stands for another machine: every byte comes over HTTP and is verified.
    other = {**environment, "MODELYARD_HOME": str(elsewhere / "home"), **access(environment, url)}
    run([modelyard, "pull", "demo/iris@champion", "--to", str(elsewhere / "model"), "--force"], other)
    predicted = json.loads(python(folder, PREDICT, other, json.dumps(trained)))
    if predicted != trained["predicted"]:
        raise SystemExit("the pulled model predicts other values than the trained one")
    print(f"pulled into {elsewhere / 'model'}, loaded by another process: {len(predicted)} equal predictions")
    run([modelyard, "show", "demo/iris@champion"], environment)
    print(f"\nThe registry runs at {url} (process {pid}; its data: {PLACE / 'modelyard-data'}).")
    if login_url:
        print(f"Sign in with a browser within ten minutes: {login_url}")
    print(f"Go on with:  export MODELYARD_HOME={PLACE / 'home'} PATH={folder / 'bin'}:$PATH")
    print("             modelyard ls; modelyard demo; modelyard --help")
    print(f"Stop it with: kill {pid}")
    return 0


def say(words: str) -> None:
    print(f"── {words} …", flush=True)


def start(modelyard: str, environment: dict[str, str]) -> tuple[str, str | None, int]:
    """(address, sign-in link, process id) of a server that goes on running behind this program."""
    log = (PLACE / "server.log").open("ab")
    command = [modelyard, "serve", "--data", str(PLACE / "modelyard-data"), "--port", PORT, "--json"]
    server = subprocess.Popen(
        command, cwd=PLACE, env=environment, stdout=subprocess.PIPE, stderr=log, start_new_session=True
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        server.wait(timeout=10)
        print((PLACE / "server.log").read_text()[-2000:], file=sys.stderr)
        raise SystemExit(
            f"the server did not start; is one running on port {PORT} already? Choose another: MODELYARD_PORT=0"
        )
    told: dict[str, Any] = json.loads(line)
    deadline = time.monotonic() + 20
    while run([modelyard, "whoami", "--json"], environment, quiet=True, check=False):
        if time.monotonic() > deadline:
            raise SystemExit("the server started but does not answer")
        time.sleep(0.2)
    return told["url"], told.get("login_url"), server.pid


def access(environment: dict[str, str], url: str) -> dict[str, str]:
    """What another machine would be given: the address and a token."""
    stored = json.loads((Path(environment["MODELYARD_HOME"]) / "credentials.json").read_text())
    return {"MODELYARD_URL": url, "MODELYARD_TOKEN": stored["servers"][url]["token"]}


def python(folder: Path, program: str, environment: dict[str, str], given: str = "") -> str:
    script = PLACE / "quickstart_step.py"
    script.write_text(program, encoding="utf-8")
    command = [str(python_of(folder)), str(script)]
    done = subprocess.run(
        command, cwd=PLACE, env=environment, input=given, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"a step failed with exit code {done.returncode}")
    return done.stdout


def run(command: list[str], environment: dict[str, str], *, quiet: bool = False, check: bool = True) -> int:
    """The exit code."""
    output = subprocess.DEVNULL if quiet else None
    code = subprocess.run(
        command, cwd=PLACE, env=environment, stdout=output, stderr=output, check=False
    ).returncode
    if code and check:
        raise SystemExit(f"this failed: {' '.join(command)}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
