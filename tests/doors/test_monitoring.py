"""The demo's thread with a real front and a real build: callers change, and the next version is trained, gated and served by itself."""

from __future__ import annotations

from tests.doors.test_deployments import end_all
from tests.support.server import running_server

MODEL = "demo/drift"


def test_from_drift_to_deployed_without_a_person() -> None:
    with running_server() as server, server.client() as client:
        try:
            done = server.run("demo", "--drift")
            assert done.returncode == 0, done.stdout + done.stderr
            lines = done.stdout.splitlines()
            assert any(f"{MODEL} needs retraining: inputs drift: amount" in line for line in lines), lines
            assert (
                f"{MODEL} serves {MODEL}:2, 0 requests were dropped; undo: modelyard rollback {MODEL}" in lines
            )
            assert lines[-1] == f"{MODEL} does not need retraining any more"

            (build,) = client.builds.list(model=MODEL)
            (schedule,) = client.schedules.list(model=MODEL)
            assert (build.schedule, build.status) == (schedule.id, "succeeded")
            assert schedule.words == f"when {MODEL} needs retraining"
            (firing,) = client.schedules.firings(schedule.id)
            assert firing.cause.startswith(f"{MODEL} needs retraining: inputs drift: amount")
            kinds = [each.kind for each in client.models.history(MODEL) if "retraining" in each.kind]
            assert sorted(kinds) == ["deployment.needs_retraining", "deployment.retraining_not_needed"]

            windows = [*client.monitoring.windows(MODEL)]
            first = next(each for each in reversed(windows) if each.state == "judged")
            assert {each.name: each.verdict for each in first.columns if each.side == "input"} == {
                "amount": "stable",
                "age": "stable",
            }
            assert [each.name for each in first.columns if each.side == "output"] == ["prediction"]
            assert {code for each in windows for code in each.codes} == {"200"}
            assert client.monitoring.get(MODEL).gaps == []

            shown = server.run("monitor", "show", MODEL)
            assert f"serves\t{MODEL}:2" in shown.stdout
            assert MODEL in server.run("monitor", "ls").stdout
            edited = server.run("monitor", "edit", MODEL, "--column", "amount=5", "--max-age", "90d")
            assert "amount 5" in edited.stdout, edited.stderr
            back = server.run("rollback", MODEL, "--reason", "undo")
            assert back.returncode == 0, back.stderr
            assert client.deployments.wait(MODEL, 30).version == f"{MODEL}:1"
        finally:
            end_all(client)
