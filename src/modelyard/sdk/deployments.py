"""Deployments: versions that serve predictions, and the way back."""

from __future__ import annotations

import time
from collections.abc import Sequence

from modelyard.sdk.http import at
from modelyard.sdk.paging import Items
from modelyard.sdk.session import Feature, Session
from modelyard.wire import deployments as wire
from modelyard.wire.base import PageQuery, Reason

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5


def deploy(  # noqa: D417
    session: Session,
    version: str,
    *,
    name: str | None = None,
    follow: bool | None = None,
    stage: str | None = None,
    replicas: int | None = None,
    public: bool | None = None,
    on_recall: str | None = None,
    from_revision: int | None = None,
    reason: str | None = None,
    target: str | None = None,
    wait_seconds: float = 0.0,
) -> wire.Deployment:
    """Have a version serve predictions. Its deployment is made if it is new.

    Args:
        version: A version: `namespace/name` with `:12`, `@stage`, `@alias` or `@sha256:…`.
        name: Name of the deployment, in the namespace of the model; None: that of the model.
        follow: Whether it serves each version that enters the stage; None: as it is, and a new deployment follows if `version`
            is a stage.
        stage: Stage to which its versions must be admitted; None: that of `version`, then the deployment's, then the last one of
            the model's policy.
        replicas: Number of workers; None: as it is, and 1 for a new deployment.
        public: Whether anybody who reaches it may predict; None: as it is, and not for a new deployment.
        on_recall: `alarm`, or `swap` to the last good revision as well, if what serves is recalled or held in quarantine.
        from_revision: Deploy only if this revision serves now; None: whichever does.
        reason: Reason, kept with the revision.
        target: Name of the target that runs it, such as `local`; None: as it is, and the server's first one for a new deployment.
        wait_seconds: Wait up to this long until it serves; 0: do not wait.

    Returns:
        The deployment, as far as it got.

    Raises:
        VersionNotAdmitted: The version is not in the stage, and never entered it.
        VersionNotFound: There is no such version, or you may not see it.
        DeploymentMoved: Another revision serves than `from_revision`.
        Denied: Your role does not allow this.

    Example:
        >>> client.deploy("fraud/scorer@production", wait_seconds=60).url
        'http://127.0.0.1:40123'
    """
    found = session.transport.call(
        "POST",
        at("deployments"),
        returns=wire.Deployment,
        body=wire.Deploy(
            version=str(session.ref(version)),
            name=name,
            follow=follow,
            stage=stage,
            replicas=replicas,
            public=public,
            on_recall=on_recall,
            from_revision=from_revision,
            reason=reason,
            target=target,
        ),
    )
    return Deployments(session).wait(found.name, wait_seconds) if wait_seconds > 0 else found


class Deployments(Feature):
    """`client.deployments`: what serves where, since when and by whom."""

    def list(
        self,
        *,
        namespace: str | None = None,
        model: str | None = None,
        version: int | None = None,
        limit: int | None = None,
    ) -> Items[wire.Deployment]:
        """List deployments, by name.

        Args:
            namespace: Only deployments in this namespace; None: in all.
            model: Only deployments of this model; None: of all.
            version: Only those that are to serve this version of the model; None: any.
            limit: Return at most this many; None: all.

        Returns:
            One deployment at a time.

        Raises:
            ModelNotFound: There is no such model, or you may not see it.

        Example:
            >>> [(each.name, each.version) for each in client.deployments.list(namespace="fraud")]
            [('fraud/scorer', 'fraud/scorer:12')]
        """
        query = wire.DeploymentQuery(namespace=namespace, model=model, version=version)
        return self._items(at("deployments"), query, wire.DeploymentPage, limit)

    def get(self, name: str) -> wire.Deployment:
        """Return a deployment: what it serves, who holds it, and where a rollback would go.

        Args:
            name: `namespace/name`; or the name alone, or the namespace alone, where you see only one deployment.

        Returns:
            The deployment.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.
            Invalid: You see several of this name.

        Example:
            >>> client.deployments.get("fraud/scorer").version
            'fraud/scorer:12'
        """
        return self._get(at("deployments", *name.split("/", 1)), wire.Deployment)

    def wait(self, name: str, seconds: float) -> wire.Deployment:
        """Wait until the target does what is wanted, or cannot.

        Args:
            name: `namespace/name` of the deployment.
            seconds: Wait at most this long.

        Returns:
            The deployment, as far as it got: `settled` says whether it does what is wanted, `state` and `last` say what became of
            it.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.

        Example:
            >>> client.deployments.wait("fraud/scorer", 60).settled
            True
        """
        ends, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while True:
            found = self.get(name)
            if found.settled or found.state == "failed" or time.monotonic() >= ends:
                return found
            time.sleep(min(pause, max(0.0, ends - time.monotonic())))
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    def preview_rollback(self, name: str, *, to: int | None = None) -> wire.RollbackPlan:
        """Return what `rollback` would do now, without doing it.

        Args:
            name: The deployment, as in `get`.
            to: Number of a revision; None: the last good one.

        Returns:
            From and to, whether the deployment is held afterwards, and whether the workers are warm.

        Raises:
            NoWayBack: There is no earlier revision.
            RevisionNotFound: There is no such revision.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.preview_rollback("fraud/scorer").after.version
            11
        """
        return self._get(self._path(name, "rollback"), wire.RollbackPlan, wire.RollbackPlanQuery(to=to))

    def rollback(
        self,
        name: str,
        *,
        reason: str,
        to: int | None = None,
        from_revision: int | None = None,
        stage: bool = False,
        wait_seconds: float = 0.0,
    ) -> wire.Deployment:
        """Serve the last good revision again. A deployment that follows a stage is held there.

        Args:
            name: The deployment, as in `get`.
            reason: Why; it is shown with the deployment.
            to: Number of a revision; None: the last good one.
            from_revision: Roll back only if this revision serves, so that two people do not roll back twice; None: the one that
                serves when this call begins.
            stage: Also move the stage back to the same version.
            wait_seconds: Wait up to this long until the target has swapped; 0: do not wait.

        Returns:
            The deployment, as far as it got; `last` has the milliseconds and the dropped requests of the swap.

        Raises:
            DeploymentMoved: Another revision serves than `from_revision`.
            NoWayBack: There is no earlier revision.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.rollback("fraud/scorer", reason="errors", wait_seconds=10).last.dropped
            0
        """
        present = self.get(name)
        body = wire.RollbackDeployment(
            reason=reason,
            to=to,
            from_revision=present.revision.number if from_revision is None else from_revision,
            stage=stage,
        )
        found = self._post(self._path(present.name, "rollback"), wire.Deployment, body)
        return self.wait(found.name, wait_seconds) if wait_seconds > 0 else found

    def release(self, name: str, *, reason: str | None = None) -> wire.Deployment:
        """Let a held deployment follow its stage again.

        Args:
            name: The deployment, as in `get`.
            reason: Reason, kept in the event log.

        Returns:
            The deployment: from now on it is to serve the version in the stage.

        Raises:
            Conflict: It is not held.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.release("fraud/scorer").held
            False
        """
        return self._post(self._path(name, "release"), wire.Deployment, Reason(reason=reason))

    def edit(
        self,
        name: str,
        *,
        replicas: int | None = None,
        public: bool | None = None,
        follow: bool | None = None,
        on_recall: str | None = None,
        guard_minutes: int | None = None,
        least_requests: int | None = None,
        error_difference: float | None = None,
        latency_ratio: float | None = None,
        judge_minutes: int | None = None,
    ) -> wire.Deployment:
        """Change the options of a deployment. What is None stays as it is.

        Args:
            name: The deployment, as in `get`.
            replicas: Number of workers.
            public: Whether anybody who reaches it may predict.
            follow: Whether it serves each version that enters its stage.
            on_recall: `alarm`, or `swap` to the last good revision as well, if what serves is recalled or held in quarantine.
            guard_minutes: For how long a new revision is compared with the one before, and taken back if it is worse; 0: it is
                not.
            least_requests: Requests that a good canary needs, and the revision next to it.
            error_difference: Largest difference of the shares of errors; 0.02 is two percentage points.
            latency_ratio: Largest ratio of the latencies that 99 % stay below.
            judge_minutes: Minutes that a good canary needs.

        Returns:
            The deployment.

        Raises:
            Invalid: An option is not valid, or none is given.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.edit("fraud/scorer", replicas=4).replicas
            4
        """
        body = wire.EditDeployment(
            replicas=replicas,
            public=public,
            follow=follow,
            on_recall=on_recall,
            guard_minutes=guard_minutes,
            least_requests=least_requests,
            error_difference=error_difference,
            latency_ratio=latency_ratio,
            judge_minutes=judge_minutes,
        )
        return self._call("PATCH", self._path(name), returns=wire.Deployment, body=body)

    def try_canary(
        self,
        version: str,
        *,
        name: str | None = None,
        weight: int | None = None,
        sticky: str | None = None,
        steps: Sequence[int] = (),
        step_minutes: int | None = None,
        auto: bool = False,
        from_revision: int | None = None,
        reason: str | None = None,
        wait_seconds: float = 0.0,
    ) -> wire.Deployment:
        """Have a version answer a share of the requests, next to the one that serves. One that answers worse ends by itself.

        Args:
            version: A version, as in `deploy`. It must be admitted to the stage of the deployment.
            name: Name of the deployment; None: that of the model.
            weight: Its share in percent; None: the first step, or 10.
            sticky: Header such as `x-user-id`, or field such as `body.user_id`, that decides who answers, so that a user stays on one
                side; None: each request by itself.
            steps: Shares that it gets one after the other, as `(1, 5, 25, 100)`, each only if it answers as well.
            step_minutes: Minutes of each step; None: 10.
            auto: Whether it serves after the last step.
            from_revision: Only if this revision serves now; None: whichever does.
            reason: Reason, kept with the revision.
            wait_seconds: Wait up to this long until it answers; 0: do not wait.

        Returns:
            The deployment, with the canary in `trials`.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.
            VersionNotAdmitted: The version is not in the stage, and never entered it.
            Conflict: It serves already, or another canary is there.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.try_canary("fraud/scorer:13", weight=10, sticky="x-user-id").trials[0].weight
            10
        """
        body = wire.StartTrial(
            version=str(self._session.ref(version)),
            role="canary",
            weight=weight,
            sticky=sticky,
            steps=[*steps],
            step_minutes=step_minutes,
            auto=auto,
            from_revision=from_revision,
            reason=reason,
        )
        return self._try(body, name, wait_seconds)

    def try_shadow(
        self,
        version: str,
        *,
        name: str | None = None,
        weight: int | None = None,
        from_revision: int | None = None,
        reason: str | None = None,
        wait_seconds: float = 0.0,
    ) -> wire.Deployment:
        """Have a version get copies of the requests. Its answers are compared with those given, and reach no one.

        Args:
            version: A version, as in `deploy`. It must be admitted to the stage before that of the deployment.
            name: Name of the deployment; None: that of the model.
            weight: Percent of the requests that are copied; None: all.
            from_revision: Only if this revision serves now; None: whichever does.
            reason: Reason, kept with the revision.
            wait_seconds: Wait up to this long until it gets copies; 0: do not wait.

        Returns:
            The deployment, with the shadow in `trials`.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.
            VersionNotAdmitted: The version is not in the stage before, and never entered it.
            Conflict: It serves already, or another shadow is there.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.try_shadow("fraud/scorer:14", weight=50).trials[0].role
            'shadow'
        """
        body = wire.StartTrial(
            version=str(self._session.ref(version)),
            role="shadow",
            weight=weight,
            from_revision=from_revision,
            reason=reason,
        )
        return self._try(body, name, wait_seconds)

    def _try(self, body: wire.StartTrial, name: str | None, wait_seconds: float) -> wire.Deployment:
        model = self._session.ref(body.version).model
        where = str(model) if name is None else name if "/" in name else f"{model.namespace}/{name}"
        found = self._post(self._path(where, "trials"), wire.Deployment, body)
        return self.wait(found.name, wait_seconds) if wait_seconds > 0 else found

    def set_weight(
        self,
        name: str,
        weight: int,
        *,
        role: str = "canary",
        from_weight: int | None = None,
        reason: str | None = None,
    ) -> wire.Deployment:
        """Give a canary or a shadow another share of the requests.

        Args:
            name: The deployment, as in `get`.
            weight: The share in percent; 0: a canary answers only those who ask for it.
            role: `canary` or `shadow`.
            from_weight: Only if it has this share now; None: whichever it has.
            reason: Reason, kept in the event log.

        Returns:
            The deployment.

        Raises:
            Conflict: There is no such trial, or it has another share than `from_weight`.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.set_weight("fraud/scorer", 25).trials[0].weight
            25
        """
        body = wire.WeighTrial(weight=weight, from_weight=from_weight, reason=reason)
        return self._call("PATCH", self._path(name, "trials", role), returns=wire.Deployment, body=body)

    def finish(
        self,
        name: str,
        *,
        from_revision: int | None = None,
        reason: str | None = None,
        wait_seconds: float = 0.0,
    ) -> wire.Deployment:
        """Have the canary serve from now on. What served stays warm for a rollback.

        Args:
            name: The deployment, as in `get`.
            from_revision: Only if the canary is this revision; None: whichever it is.
            reason: Reason, kept in the event log.
            wait_seconds: Wait up to this long until the target has swapped; 0: do not wait.

        Returns:
            The deployment, as far as it got.

        Raises:
            Conflict: There is no canary, or another one than `from_revision`.
            VersionNotAdmitted: Its version is not admitted any more.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.finish("fraud/scorer", wait_seconds=10).version
            'fraud/scorer:13'
        """
        body = wire.FinishCanary(from_revision=from_revision, reason=reason)
        found = self._post(self._path(name, "finish"), wire.Deployment, body)
        return self.wait(found.name, wait_seconds) if wait_seconds > 0 else found

    def drop(self, name: str, *, role: str = "canary", reason: str | None = None) -> wire.Deployment:
        """End a canary or a shadow. The revision that serves answers everything again.

        Args:
            name: The deployment, as in `get`.
            role: `canary` or `shadow`.
            reason: Reason, kept in the event log.

        Returns:
            The deployment.

        Raises:
            Conflict: There is no such trial.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.drop("fraud/scorer", reason="too slow").trials
            []
        """
        return self._post(self._path(name, "trials", role, "drop"), wire.Deployment, Reason(reason=reason))

    def compare(self, name: str, *, role: str | None = None) -> wire.Comparison:
        """Compare the canary or the shadow with the revision that serves, in the same minutes.

        Args:
            name: The deployment, as in `get`.
            role: `canary` or `shadow`; None: the canary, or else the shadow.

        Returns:
            Requests, shares of errors and latencies of both with their intervals, and the verdict; of a shadow, how many of its
            answers agree.

        Raises:
            NotFound: There is no such trial.
            DeploymentNotFound: There is no such deployment, or you may not see it.

        Example:
            >>> client.deployments.compare("fraud/scorer").outcome
            'inconclusive'
        """
        return self._get(self._path(name, "comparison"), wire.Comparison, wire.ComparisonQuery(role=role))

    def stop(self, name: str, *, reason: str | None = None) -> wire.Deployment:
        """Serve nothing until it is started again. Requests that it has accepted are answered first.

        Args:
            name: The deployment, as in `get`.
            reason: Reason, kept in the event log.

        Returns:
            The deployment.

        Raises:
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.stop("fraud/scorer").state
            'stopping'
        """
        return self._post(self._path(name, "stop"), wire.Deployment, Reason(reason=reason))

    def start(self, name: str, *, reason: str | None = None) -> wire.Deployment:
        """Serve again what it served when it was stopped.

        Args:
            name: The deployment, as in `get`.
            reason: Reason, kept in the event log.

        Returns:
            The deployment.

        Raises:
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.start("fraud/scorer").state
            'starting'
        """
        return self._post(self._path(name, "start"), wire.Deployment, Reason(reason=reason))

    def remove(self, name: str) -> None:
        """End a deployment and delete its record. Requests that it has accepted are answered first.

        Args:
            name: The deployment, as in `get`.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.
            Denied: Your role does not allow this.

        Example:
            >>> client.deployments.remove("fraud/scorer")
        """
        self._call("DELETE", self._path(name))

    def revisions(self, name: str, *, limit: int | None = None) -> Items[wire.Revision]:
        """List the revisions of a deployment, newest first.

        Args:
            name: The deployment, as in `get`.
            limit: Return at most this many; None: all.

        Returns:
            One revision at a time.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.

        Example:
            >>> [(each.number, each.version, each.state) for each in client.deployments.revisions("fraud/scorer")]
            [(2, 12, 'good'), (1, 11, 'good')]
        """
        return self._items(self._path(name, "revisions"), PageQuery(), wire.RevisionPage, limit)

    def moves(self, name: str, *, limit: int | None = None) -> Items[wire.DeploymentMove]:
        """List what a deployment served, who moved it and why, newest first.

        Args:
            name: The deployment, as in `get`.
            limit: Return at most this many; None: all.

        Returns:
            One move at a time.

        Raises:
            DeploymentNotFound: There is no such deployment, or you may not see it.

        Example:
            >>> [(each.kind, each.before, each.after) for each in client.deployments.moves("fraud/scorer", limit=1)]
            [('rollback', 2, 1)]
        """
        return self._items(self._path(name, "moves"), PageQuery(), wire.MovePage, limit)

    def log(self, name: str, *, lines: int = 100) -> str:
        """Return the last lines that the program of a deployment wrote.

        Args:
            name: The deployment, as in `get`.
            lines: Number of lines, at most 1000.

        Returns:
            The text; empty if there is none, or the deployment is on another machine.

        Raises:
            Denied: Your role does not allow this.

        Example:
            >>> print(client.deployments.log("fraud/scorer", lines=20))
        """
        return self._get(self._path(name, "log"), wire.DeploymentLog, wire.LogQuery(lines=lines)).text

    def export(self, name: str, form: str = "kubernetes") -> wire.DeploymentExport:
        """Return a deployment as files for a cluster, with the image of its version by digest. Nothing is applied.

        Args:
            name: The deployment, as in `get`.
            form: `kubernetes`, `kserve`, `knative` or `compose`.

        Returns:
            The files, and what to do before they are applied.

        Raises:
            Conflict: The version has no image that a cluster can pull.
            DeploymentNotFound: There is no such deployment, or you may not see it.

        Example:
            >>> [file.path for file in client.deployments.export("fraud/scorer", "knative").files]
            ['service.yaml']
        """
        return self._get(self._path(name, "export"), wire.DeploymentExport, wire.ExportQuery(form=form))

    def _path(self, name: str, *more: str) -> str:
        full = name if "/" in name else self.get(name).name
        return at("deployments", *full.split("/", 1), *more)
