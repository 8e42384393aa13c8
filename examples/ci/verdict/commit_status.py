"""Report the verdict of a gate as the status of a commit, on GitHub or GitLab. Standard library only.

    python commit_status.py fraud/scorer:12 production

The verdict is asked for with `modelyard promote --dry-run`, so nothing is promoted. State of the commit: success when the
gate would let the version in; pending when waiting can help, for an approval or a check; failure when the version itself
does not pass; error when the registry did not answer. The exit code is 0 once the status is reported, whatever it says, and
1 if it could not be reported, so that the job is red only for faults of its own.

Environment: GITHUB_API_URL, GITHUB_REPOSITORY, COMMIT_SHA (the head of the pull request; GITHUB_SHA is a merge commit that
nobody sees) and STATUS_TOKEN; or CI_API_V4_URL, CI_PROJECT_ID, CI_COMMIT_SHA and STATUS_TOKEN. TARGET_URL: where the status
links to, such as the page of the version. STATUS_CONTEXT: its name; default: modelyard/STAGE.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

LONGEST_DESCRIPTION = 140
TIMEOUT_SECONDS = 30
ALLOWED, REFUSED = 0, 3


def verdict_of(reference: str, stage: str) -> tuple[str, str]:
    """(state, description) of the gate's verdict on the version."""
    done = subprocess.run(
        ["modelyard", "promote", reference, stage, "--dry-run", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    sys.stderr.write(done.stderr)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {}
    if done.returncode not in (ALLOWED, REFUSED) or "verdict" not in answer:
        return "error", answer.get("detail") or "modelyard did not answer; see the job's log"
    verdict = answer["verdict"]
    unmet = [rule for rule in verdict["results"] if rule["outcome"] not in ("pass", "waived")]
    for rule in unmet:
        print(f"{rule['rule']}: {rule['measured']}; needed: {rule['needed']}")
        if rule["fix"]:
            print(f"  {rule['who']}: {rule['fix']}")
    names = ", ".join(rule["rule"] for rule in unmet)
    if verdict["allowed"]:
        return "success", f"{answer['reference']} may enter {stage}" + (
            f"; only warned: {names}" if unmet else ""
        )
    can_wait = all(rule["may_change"] for rule in unmet)
    return "pending" if can_wait else "failure", f"{answer['reference']} not in {stage} yet: {names}"


def request_for(state: str, description: str, context: str) -> urllib.request.Request:
    """The request that sets the status, for the system whose variables are set. Raises KeyError for a missing one."""
    environment = os.environ
    token, target = environment["STATUS_TOKEN"], environment.get("TARGET_URL", "")
    if "CI_API_V4_URL" in environment:
        words = {"success": "success", "pending": "pending", "failure": "failed", "error": "failed"}
        project = urllib.parse.quote(environment["CI_PROJECT_ID"], safe="")
        url = f"{environment['CI_API_V4_URL']}/projects/{project}/statuses/{environment['CI_COMMIT_SHA']}"
        headers = {"private-token": token}
        body = {"state": words[state], "description": description, "name": context}
    else:
        sha = environment.get("COMMIT_SHA") or environment["GITHUB_SHA"]
        url = f"{environment['GITHUB_API_URL']}/repos/{environment['GITHUB_REPOSITORY']}/statuses/{sha}"
        headers = {"authorization": f"Bearer {token}", "accept": "application/vnd.github+json"}
        body = {"state": state, "description": description, "context": context}
    if target:
        body["target_url"] = target
    data = json.dumps(body).encode()
    sent = {**headers, "content-type": "application/json"}
    return urllib.request.Request(url, data, sent, method="POST")  # noqa: S310 - the address is the CI system's own


def main(reference: str, stage: str) -> int:
    state, description = verdict_of(reference, stage)
    if len(description) > LONGEST_DESCRIPTION:
        description = description[: LONGEST_DESCRIPTION - 1] + "…"
    context = os.environ.get("STATUS_CONTEXT") or f"modelyard/{stage}"
    try:
        request = request_for(state, description, context)
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310 - as above
            pass
    except KeyError as error:
        print(f"The variable {error.args[0]} is not set, so no status was reported.", file=sys.stderr)
        return 1
    except (urllib.error.URLError, OSError) as error:
        print(f"The status {state} ({description}) was not reported: {error}", file=sys.stderr)
        return 1
    print(f"{context}: {state}: {description}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: commit_status.py REFERENCE STAGE")
    raise SystemExit(main(sys.argv[1], sys.argv[2]))
