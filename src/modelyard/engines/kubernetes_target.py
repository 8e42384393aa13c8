"""Serve deployments by a Kubernetes cluster, by its HTTP interface.

```
NAME                Service: its selector names the revision that gets the requests; its annotation has the swaps
NAME-wanted         ConfigMap with the order
NAME-token          Secret with the token that reads the model
NAME-rN             Deployment and ConfigMap of revision N, of the one that serves and of the one that stays warm
```
A swap is one change of the Service's selector, made when all pods of the next revision are ready. The account of the target needs
`get`, `list`, `patch` and `delete` for Deployments, Services, ConfigMaps and Secrets in its namespace, `get` and `list` for pods, and
`get` for `pods/log` and `pods/proxy`. The pods themselves get no account.

Sources: the reference of the interface; Kubernetes enhancement 555, for server-side apply.
"""

from __future__ import annotations

import base64
import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from modelyard.domain.errors import ExecutorUnavailable, TargetUnavailable
from modelyard.domain.times import time_text, to_moment
from modelyard.engines import manifests
from modelyard.engines.cluster import Outage
from modelyard.engines.differences import differences
from modelyard.engines.kubernetes import IN_CLUSTER_ADDRESS, IN_CLUSTER_CA, IN_CLUSTER_TOKEN
from modelyard.engines.manifests import DEPLOYMENT_LABEL, REVISION_LABEL, STATE_PORT, Object, PodOptions
from modelyard.engines.rest import MOST_WORDS, Rest
from modelyard.engines.targets import Sight
from modelyard.wire.scorer import WANTED_FILE, RevisionState, ScorerState, Swap, Wanted, WantedRevision

_NAME = re.compile(r"[a-z0-9-]{1,80}\Z")
_APPLY = "application/apply-patch+yaml"
_STATE_NOTE, _ASKED_NOTE = "modelyard.org/state", "modelyard.org/asked-at"
_KEPT_SWAPS = 20
_MOST_PODS = 10
"""The most pods of a revision that are asked for their figures."""
_HOPELESS = frozenset(
    {
        "InvalidImageName",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CrashLoopBackOff",
    }
)
_ROLES = ("serving", "warm")


class _Pointer(msgspec.Struct):
    """What the annotation of the Service says. serving: number of the revision that gets the requests; None: none did yet."""

    serving: int | None = None
    swaps: list[Swap] = []


@dataclass
class _View:
    """All that there is of a deployment. order: None if there is none. services, deployments: by name."""

    order: Wanted | None = None
    asked_at: str = ""
    service: Object | None = None
    pointer: _Pointer = field(default_factory=_Pointer)
    deployments: dict[str, Object] = field(default_factory=dict)
    config_maps: dict[str, Object] = field(default_factory=dict)
    pods: list[Object] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        return bool(self.deployments or self.pods)

    def pods_of(self, number: int) -> list[Object]:
        return [pod for pod in self.pods if _labels(pod).get(REVISION_LABEL) == str(number)]


class KubernetesTarget:
    """name: of the target. namespace: of the objects. prefix: of their names."""

    def __init__(
        self,
        name: str,
        *,
        address: str = IN_CLUSTER_ADDRESS,
        token_file: str = IN_CLUSTER_TOKEN,
        ca_file: str = IN_CLUSTER_CA,
        namespace: str = "default",
        prefix: str = "modelyard",
        options: PodOptions | None = None,
        quiet_seconds: float | None = None,
    ) -> None:
        self._name, self._namespace, self._prefix = name, namespace, prefix
        self._options = options or PodOptions()
        outage = Outage(self.kind, quiet_seconds)
        self._rest = Rest(outage, address, token_file, ca_file if address.startswith("https:") else "")
        core = f"/api/v1/namespaces/{namespace}"
        self._paths = {
            "Deployment": f"/apis/apps/v1/namespaces/{namespace}/deployments",
            "Service": f"{core}/services",
            "ConfigMap": f"{core}/configmaps",
            "Secret": f"{core}/secrets",
            "Pod": f"{core}/pods",
        }

    @property
    def kind(self) -> str:
        return "kubernetes"

    @property
    def name(self) -> str:
        return self._name

    @property
    def needs_images(self) -> bool:
        return True

    @property
    def place(self) -> str:
        return f"{self.kind}:{self._name}"

    @property
    def cache(self) -> str:
        # Pods have one of their own, which their order names.
        return ""

    # --- the protocol --------------------------------------------------------------------------------

    def apply(self, deployment: str, wanted: Wanted, token: str | None = None) -> None:
        name = self._object_name(deployment)
        others = {each.role for each in wanted.revisions} - {*_ROLES}
        if others:
            raise TargetUnavailable(
                target=self._name,
                reason=f"it cannot split requests, and the order has a {min(others)}; end that first, or deploy on another target",
            )
        with self._failing():
            view = self._read(name)
            if view.order is not None and view.order.generation > wanted.generation:
                wanted = view.order
            self._store_order(name, view, wanted)
            if token is not None:
                self._write(self._secret(name, wanted, token))
            elif not self._exists("Secret", f"{name}-token"):
                self._write(self._secret(name, wanted, ""))
            for made in self._objects(name, view, wanted):
                self._write(made)
            self._carry_on(name, self._read(name))

    def look(self, deployment: str) -> Sight:
        name = self._object_name(deployment)
        with self._failing():
            view = self._read(name)
            if view.order is None:
                return Sight(runs=view.runs)
            if not view.runs:
                return Sight(runs=False, state=self._state(name, view, []))
            view, states = self._carry_on(name, view)
            assert view.order is not None
            drift = self._drift(name, view, view.order)
            return Sight(runs=True, answers=True, state=self._state(name, view, states), drift=tuple(drift))

    def stop(self, deployment: str) -> None:
        """Pods get SIGTERM, and SIGKILL by the cluster after their grace."""
        name = self._object_name(deployment)
        with self._failing():
            for found in self._list("Deployment", name):
                self._delete("Deployment", found["metadata"]["name"])

    def clean(self, deployment: str) -> None:
        name = self._object_name(deployment)
        with self._failing():
            for kind in ("Deployment", "Service", "Secret", "ConfigMap"):
                for found in self._list(kind, name):
                    self._delete(kind, found["metadata"]["name"])

    def log_tail(self, deployment: str, lines: int) -> str:
        name = self._object_name(deployment)
        with self._failing():
            view = self._read(name)
            serving = view.pointer.serving
            pods = (view.pods_of(serving) if serving is not None else []) or view.pods
            if not pods:
                return ""
            newest = max(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
            path = f"{self._paths['Pod']}/{newest['metadata']['name']}/log"
            query: dict[str, str | int] = {"container": manifests.CONTAINER, "tailLines": lines}
            status, text = self._rest.call("GET", path, query=query)
            return text if status == 200 else ""

    # --- what is wanted ------------------------------------------------------------------------------

    def _object_name(self, deployment: str) -> str:
        assert _NAME.match(deployment), f"{deployment!r} is not the name of a deployment here"
        return f"{self._prefix}-{deployment}"

    def _store_order(self, name: str, view: _View, wanted: Wanted) -> None:
        is_new = view.order is None or view.order.generation < wanted.generation
        about = manifests.metadata(f"{name}-wanted", wanted, name)
        about["annotations"][_ASKED_NOTE] = _now() if is_new else view.asked_at
        self._write(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": about,
                "data": {WANTED_FILE: msgspec.json.encode(wanted).decode()},
            }
        )

    @staticmethod
    def _secret(name: str, wanted: Wanted, token: str) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": manifests.metadata(f"{name}-token", wanted, name),
            "data": {"token": base64.b64encode(token.encode()).decode()},
        }

    def _objects(self, name: str, view: _View, wanted: Wanted) -> Iterator[Object]:
        """Yield all objects of an order but the token and the order itself. A revision without an image has none."""
        for each in wanted.revisions:
            if each.image is None:
                continue
            own = f"{name}-r{each.number}"
            yield manifests.config_map(own, wanted, name, each)
            yield manifests.deployment(
                own, wanted, name, each, each.image, own, f"{name}-token", self._options, by_revision=True
            )
        yield self._service(name, wanted, view.pointer)

    @staticmethod
    def _service(name: str, wanted: Wanted, pointer: _Pointer) -> Object:
        """Return the Service. Before the first revision is ready, it names the one that is wanted, whose pods are not ready either."""
        serving = next(each for each in wanted.revisions if each.role == "serving")
        made = manifests.service(name, wanted, name, serving)
        if pointer.serving is not None:
            made["spec"]["selector"][REVISION_LABEL] = str(pointer.serving)
        made["metadata"]["annotations"][_STATE_NOTE] = msgspec.json.encode(pointer).decode()
        return made

    def _drift(self, name: str, view: _View, wanted: Wanted) -> list[str]:
        """Return how the objects differ from the order, in sentences."""
        found = []
        present = {
            ("Service", name): view.service,
            **{("Deployment", key): value for key, value in view.deployments.items()},
            **{("ConfigMap", key): value for key, value in view.config_maps.items()},
        }
        for made in self._objects(name, view, wanted):
            kind, own = made["kind"], made["metadata"]["name"]
            actual = present.get((kind, own))
            if actual is None:
                found.append(f"the {kind} {own} was deleted")
            elif paths := differences(made, actual):
                found.append(f"{', '.join(paths[:3])} of the {kind} {own} was changed")
        return found

    # --- the swap ------------------------------------------------------------------------------------

    def _carry_on(self, name: str, view: _View) -> tuple[_View, list[RevisionState]]:
        """Let the wanted revision have the requests when all of its pods are ready, and end what is not wanted any more."""
        wanted = view.order
        assert wanted is not None
        states = [self._revision(view, each) for each in wanted.revisions]
        serving = next(each for each in states if each.role == "serving")
        if serving.state == "ready" and view.pointer.serving != serving.number and view.service is not None:
            swap = Swap(
                before=view.pointer.serving,
                after=serving.number,
                generation=wanted.generation,
                at=_now(),
                milliseconds=_milliseconds_since(view.asked_at),
            )
            swaps = [*view.pointer.swaps, swap][-_KEPT_SWAPS:]
            view.pointer = _Pointer(serving.number, swaps)
            self._write(self._service(name, wanted, view.pointer))
            view.service = self._get("Service", name)
        kept = {each.number for each in wanted.revisions} | {view.pointer.serving}
        for kind, objects in (("Deployment", view.deployments), ("ConfigMap", view.config_maps)):
            for own, found in [*objects.items()]:
                number = _labels(found).get(REVISION_LABEL, "")
                if number.isdigit() and int(number) not in kept:
                    self._delete(kind, own)
                    del objects[own]
        for each in states:
            if each.state == "ready" and each.number != view.pointer.serving:
                each.state = "warm"
        return view, states

    # --- what there is -------------------------------------------------------------------------------

    def _state(self, name: str, view: _View, states: list[RevisionState]) -> ScorerState:
        wanted, serving = view.order, view.pointer.serving
        assert wanted is not None
        known = {each.number for each in states}
        if view.runs and serving is not None and serving not in known and view.pods_of(serving):
            # The one that serves until the wanted one can.
            earlier = WantedRevision(number=serving, reference="", digest="")
            states = [*states, self._revision(view, earlier)]
        wanted_one = next(each for each in wanted.revisions if each.role == "serving")
        state_of = {each.number: each.state for each in states}
        has_pods = view.runs and serving is not None and bool(view.pods_of(serving))
        return ScorerState(
            generation=wanted.generation,
            host=f"{name}.{self._namespace}.svc",
            port=manifests.SERVICE_PORT,
            pid=0,
            started_at=view.asked_at,
            serving=serving if has_pods or not view.runs else None,
            settled=serving == wanted_one.number or state_of.get(wanted_one.number) == "failed",
            revisions=sorted(states, key=lambda each: each.number),
            swaps=view.pointer.swaps,
        )

    def _revision(self, view: _View, told: WantedRevision) -> RevisionState:
        """Return what the pods of a revision say and what the cluster says of them."""
        made = RevisionState(
            number=told.number,
            state="starting",
            reference=told.reference,
            digest=told.digest,
            role=told.role,
            environment=told.image,
        )
        if told.role in _ROLES and told.reference and told.image is None:
            reason = f"{manifests.no_image(told.reference)}. {manifests.make_image(told.reference)}"
            made.state, made.reason = "failed", reason
            return made
        pods = view.pods_of(told.number)
        found = next(
            (
                each
                for each in view.deployments.values()
                if _labels(each).get(REVISION_LABEL) == str(told.number)
            ),
            None,
        )
        if found is not None and _is_ready(found):
            made.state = "ready"
        elif found is None:
            made.state = "draining" if pods else "stopped"
        reason = "" if found is None else _stuck(found)
        for pod in pods[:_MOST_PODS]:
            reason = reason or _trouble(pod)
            inside = self._ask(pod)
            if inside is not None:
                _add(made, inside)
                if made.state == "starting" and inside.state == "failed":
                    reason = inside.reason or "it failed"
        if reason and made.state == "starting":
            made.state, made.reason = "failed", reason[:MOST_WORDS]
        return made

    def _ask(self, pod: Object) -> RevisionState | None:
        """Return what the front of a pod says of its revision; None: it says nothing."""
        if pod.get("status", {}).get("phase") != "Running" or pod["metadata"].get("deletionTimestamp"):
            return None
        path = f"{self._paths['Pod']}/{pod['metadata']['name']}:{STATE_PORT}/proxy/state"
        status, text = self._rest.call("GET", path)
        if status != 200:
            return None
        with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
            state = msgspec.json.decode(text, type=ScorerState)
            return state.revisions[-1] if state.revisions else None
        return None

    def _read(self, name: str) -> _View:
        view = _View()
        for found in self._list("ConfigMap", name):
            own = found["metadata"]["name"]
            if own == f"{name}-wanted":
                view.asked_at = _notes(found).get(_ASKED_NOTE, "")
                with contextlib.suppress(msgspec.MsgspecError):
                    view.order = msgspec.json.decode(found.get("data", {}).get(WANTED_FILE, ""), type=Wanted)
            else:
                view.config_maps[own] = found
        view.deployments = {found["metadata"]["name"]: found for found in self._list("Deployment", name)}
        view.pods = self._list("Pod", name)
        view.service = self._get("Service", name)
        if view.service is not None:
            with contextlib.suppress(msgspec.MsgspecError):
                view.pointer = msgspec.json.decode(_notes(view.service).get(_STATE_NOTE, "{}"), type=_Pointer)
        return view

    # --- requests ------------------------------------------------------------------------------------

    def _list(self, kind: str, name: str) -> list[Object]:
        query: dict[str, str | int] = {"labelSelector": f"{DEPLOYMENT_LABEL}={name}", "limit": 500}
        status, text = self._rest.call("GET", self._paths[kind], query=query)
        items = self._rest.found(status, text).get("items") or []
        if not all(isinstance(item, dict) and isinstance(item.get("metadata"), dict) for item in items):
            raise self._rest.nonsense(status, text)
        return list(items)

    def _get(self, kind: str, own: str) -> Object | None:
        status, text = self._rest.call("GET", f"{self._paths[kind]}/{own}")
        return None if status == 404 else self._rest.found(status, text)

    def _exists(self, kind: str, own: str) -> bool:
        return self._get(kind, own) is not None

    def _write(self, made: Object) -> None:
        """Have an object be as it is described, whatever others made of it; their own fields stay."""
        path = f"{self._paths[made['kind']]}/{made['metadata']['name']}"
        query: dict[str, str | int] = {"fieldManager": "modelyard", "force": "true"}
        status, text = self._rest.call("PATCH", path, made, query=query, kind=_APPLY)
        self._rest.found(status, text, good=(200, 201))

    def _delete(self, kind: str, own: str) -> None:
        query: dict[str, str | int] = {"propagationPolicy": "Background"}
        status, text = self._rest.call("DELETE", f"{self._paths[kind]}/{own}", query=query)
        if status != 404:
            self._rest.found(status, text, good=(200, 202))

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except ExecutorUnavailable as error:
            raise TargetUnavailable(target=self._name, reason=str(error.fields["reason"])) from error


def _labels(found: Object) -> dict[str, str]:
    return found["metadata"].get("labels") or {}


def _notes(found: Object) -> dict[str, str]:
    return found["metadata"].get("annotations") or {}


def _is_ready(found: Object) -> bool:
    """Return whether all pods of a Deployment are those that are described, and ready."""
    status, wanted = found.get("status") or {}, found["spec"].get("replicas", 1)
    is_seen = status.get("observedGeneration", 0) >= found["metadata"].get("generation", 0)
    return bool(is_seen and min(status.get("updatedReplicas", 0), status.get("readyReplicas", 0)) >= wanted)


def _stuck(found: Object) -> str:
    """Return why a Deployment does not come on; "": it may still."""
    for condition in (found.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return f"Kubernetes: {condition.get('message') or condition.get('reason')}"
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return f"Kubernetes: {condition.get('message') or 'its pods were not ready in time'}"
    return ""


def _trouble(pod: Object) -> str:
    """Return why a pod cannot start; "": it may still."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            return "Kubernetes: " + ": ".join(filter(None, (waiting["reason"], waiting.get("message"))))
    return ""


def _add(made: RevisionState, inside: RevisionState) -> None:
    """Add the figures of a pod. Of its times the worst one counts."""
    made.requests += inside.requests
    made.errors += inside.errors
    made.dropped += inside.dropped
    made.restarts += inside.restarts
    made.isolation = made.isolation or inside.isolation
    made.ready_at = made.ready_at or inside.ready_at
    made.memory_bytes = (made.memory_bytes or 0) + (inside.memory_bytes or 0) or None
    for name in ("p50_ms", "p99_ms"):
        values = [value for value in (getattr(made, name), getattr(inside, name)) if value is not None]
        setattr(made, name, max(values, default=None))


def _now() -> str:
    return time_text(to_moment(datetime.now(UTC)))


def _milliseconds_since(asked_at: str) -> float:
    try:
        return max(0.0, round(1000 * (time.time() - datetime.fromisoformat(asked_at).timestamp()), 3))
    except ValueError:
        return 0.0
