"""An emulator of the parts of Kubernetes that deployments use: objects by server-side apply, and the pods of Deployments.

Deployments get as many pods as they ask for, a moment later; a pod says of itself what the order in its ConfigMap has its front serve.
Pods carry no traffic, and nothing of their images runs. It follows the reference of the interface; no real cluster can be installed
where the tests run, so none was tried.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from modelyard.wire.scorer import RevisionState, ScorerState, Wanted
from tests.support.http_emulator import served
from tests.support.kubernetes_schemas import check_object

CORE, APPS = "/api/v1/namespaces/ml/", "/apis/apps/v1/namespaces/ml/"
KINDS = {
    f"{CORE}services": "Service",
    f"{CORE}configmaps": "ConfigMap",
    f"{CORE}secrets": "Secret",
    f"{APPS}deployments": "Deployment",
}
Object = dict[str, Any]


class ServingCluster:
    """fails: reference of a version → why its front fails. images: what cannot be pulled begins with nowhere/."""

    def __init__(self, folder: Path) -> None:
        self.token_file = folder / "cluster-token"
        self.token_file.write_text("emulated\n")
        self.objects: dict[tuple[str, str], Object] = {}
        self.pods: dict[str, Object] = {}
        self.fails: dict[str, str] = {}
        self.slow: set[str] = set()
        """References of versions whose pods do not become ready."""
        self.writes: list[str] = []
        self.is_away = False
        self.address = ""
        self._made = 0
        self._lock = threading.Lock()

    def answer(self, method: str, target: str, authorization: str, body: Object) -> tuple[int, str]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        with self._lock:
            if self.is_away:
                return 500, "the cluster is away"
            if authorization != "Bearer emulated":
                return _status(401, "Unauthorized")
            if path.startswith(f"{CORE}pods"):
                return self._of_pods(path.removeprefix(f"{CORE}pods").strip("/"), query)
            place, _, name = path.rpartition("/")
            if path in KINDS:
                items = [found for (kind, _), found in self.objects.items() if kind == KINDS[path]]
                answer = _list([each for each in items if _matches(each, query)])
                self._control()
                return answer
            kind = KINDS[place]
            if method == "PATCH":
                return self._apply(kind, name, body, query)
            found = self.objects.get((kind, name))
            if found is None:
                return _status(404, f'{kind} "{name}" not found')
            if method == "DELETE":
                self.writes.append(f"delete {kind} {name}")
                del self.objects[kind, name]
                self._control()
                return _status(200, "")
            return 200, json.dumps(found)

    def _apply(self, kind: str, name: str, body: Object, query: dict[str, list[str]]) -> tuple[int, str]:
        assert query["fieldManager"] == ["modelyard"]
        check_object(body)
        known = self.objects.get((kind, name))
        self.writes.append(f"apply {kind} {name}")
        if known is None:
            found = self.objects[kind, name] = copy.deepcopy(body)
            found["metadata"] |= {"uid": f"uid-{len(self.writes)}", "generation": 1}
            if kind == "Deployment":
                # Defaults that a cluster adds.
                found["spec"]["revisionHistoryLimit"] = 10
                found["spec"]["template"]["spec"]["restartPolicy"] = "Always"
            return 201, json.dumps(found)
        before = copy.deepcopy(known.get("spec"))
        _merge(known, body)
        if kind == "Service" and "selector" in body["spec"]:
            known["spec"]["selector"] = body["spec"]["selector"]
        if before != known.get("spec"):
            known["metadata"]["generation"] += 1
        return 200, json.dumps(known)

    # --- pods ----------------------------------------------------------------------------------------

    def _control(self) -> None:
        """Do what the controllers do: one step."""
        for name, pod in [*self.pods.items()]:
            if pod["metadata"].get("deletionTimestamp"):
                del self.pods[name]
            elif ("Deployment", pod["owner"]) not in self.objects:
                pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:10Z"
        for (kind, name), found in self.objects.items():
            if kind != "Deployment":
                continue
            own = [
                pod
                for pod in self.pods.values()
                if pod["owner"] == name and not pod["metadata"].get("deletionTimestamp")
            ]
            wanted = found["spec"]["replicas"]
            for pod in own[wanted:]:
                pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:10Z"
            for _ in range(wanted - len(own)):
                self._start(name, found)
            for pod in own:
                self._step(pod)
            ready = sum(1 for pod in own[:wanted] if pod["ready"])
            found["status"] = {
                "observedGeneration": found["metadata"]["generation"],
                "updatedReplicas": min(len(own), wanted),
                "readyReplicas": ready,
            }

    def _start(self, owner: str, found: Object) -> None:
        self._made += 1
        name = f"{owner}-{self._made:05d}"
        self.pods[name] = {
            "owner": owner,
            "ready": False,
            "spec": found["spec"]["template"]["spec"],
            "metadata": {
                "name": name,
                "labels": found["spec"]["template"]["metadata"]["labels"],
                "creationTimestamp": f"2026-01-01T00:00:{self._made % 60:02d}Z",
            },
            "status": {"phase": "Pending"},
        }

    def _step(self, pod: Object) -> None:
        container = pod["spec"]["containers"][0]
        if container["image"].startswith("nowhere/"):
            waiting = {"reason": "ImagePullBackOff", "message": f"Back-off pulling image {container['image']}"}
            pod["status"]["containerStatuses"] = [{"name": "scorer", "state": {"waiting": waiting}}]
            return
        pod["status"]["phase"] = "Running"
        (told,) = self._order(pod).revisions
        pod["ready"] = told.reference not in self.fails and told.reference not in self.slow

    def _order(self, pod: Object) -> Wanted:
        (name,) = [each["configMap"]["name"] for each in pod["spec"]["volumes"] if each["name"] == "order"]
        if ("ConfigMap", name) in self.objects:
            # Otherwise what is mounted stays.
            pod["mounted"] = self.objects["ConfigMap", name]["data"]["wanted.json"]
        return msgspec.json.decode(pod["mounted"], type=Wanted)

    def _of_pods(self, rest: str, query: dict[str, list[str]]) -> tuple[int, str]:
        if not rest:
            self._control()
            return _list([pod for pod in self.pods.values() if _matches(pod, query)])
        name, _, what = rest.partition("/")
        if what == "log":
            return 200, "the front serves\n"
        assert what == "proxy/state", what
        name, _, port = name.partition(":")
        assert port == "8081"
        pod = self.pods[name]
        order = self._order(pod)
        (told,) = order.revisions
        reason = self.fails.get(told.reference)
        word = "failed" if reason else "ready" if pod["ready"] else "starting"
        revision = RevisionState(
            number=told.number, state=word, reason=reason, reference=told.reference, requests=3, p99_ms=2.0
        )
        state = ScorerState(
            generation=order.generation,
            host=order.host,
            port=order.port,
            pid=1,
            started_at="",
            serving=told.number,
            revisions=[revision],
        )
        return 200, msgspec.json.encode(state).decode()


def _matches(found: Object, query: dict[str, list[str]]) -> bool:
    name, _, value = query["labelSelector"][0].partition("=")
    return bool(found["metadata"].get("labels", {}).get(name) == value)


def _merge(known: Object, body: Object) -> None:
    """Lists of named items are merged by name, others replaced."""
    for key, value in body.items():
        present = known.get(key)
        if isinstance(value, dict) and isinstance(present, dict):
            _merge(present, value)
        elif isinstance(value, list) and isinstance(present, list) and all("name" in each for each in value):
            by_name = {each["name"]: each for each in present}
            for each in value:
                if each["name"] in by_name:
                    _merge(by_name[each["name"]], each)
                else:
                    present.append(copy.deepcopy(each))
        else:
            known[key] = copy.deepcopy(value)


def _list(items: list[Object]) -> tuple[int, str]:
    return 200, json.dumps({"kind": "List", "items": items})


def _status(code: int, message: str) -> tuple[int, str]:
    kind = "Success" if code < 300 else "Failure"
    return code, json.dumps({"kind": "Status", "status": kind, "message": message, "code": code})


@contextmanager
def serving_cluster(folder: Path) -> Iterator[ServingCluster]:
    cluster = ServingCluster(folder)
    with served(cluster.answer) as cluster.address:
        yield cluster
