"""The list of models in one browser: time to its content and bytes on the wire, against MLflow's pages."""

from __future__ import annotations

import statistics
import time
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from tests.doors.test_browser import NO_OTHER_HOST, PROGRAM
from tests.support.server import RunningServer, running_server

import modelyard as my
from benchmarks import peers
from benchmarks.requests import prepare_mlflow
from benchmarks.table import Row, at_most, faster

_ROUNDS = 5
_POINTS = 100_000


def open_cold(browser: Browser, url: str, content: str, cookies: list[dict[str, str]]) -> tuple[float, int]:
    """Open a page with an empty cache. Returns (milliseconds until the content is seen, bytes received)."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies(cookies)  # type: ignore[arg-type]
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    received = [0]
    wire.on("Network.loadingFinished", lambda e: received.append(int(e["encodedDataLength"])))
    started = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.get_by_text(content, exact=True).first.wait_for(timeout=60_000)
    taken = (time.perf_counter() - started) * 1000
    # Of what comes afterwards, such as pictures, the first second counts.
    page.wait_for_timeout(1000)
    context.close()
    return taken, sum(received)


_DRAW = """() => new Promise((done) => {
  const started = performance.now();
  const curve = document.querySelector(".curve");
  new MutationObserver(() => {
    if (curve.querySelector("canvas")) requestAnimationFrame(() => done(performance.now() - started));
  }).observe(curve, { childList: true, subtree: true });
  curve.querySelector(".zoom").click();
})"""
"""From the click to the frame in which the curve stands, with the request for its points."""


def draw_curve(page: Page, url: str, run: str) -> float:
    """Milliseconds to draw a long curve."""
    taken = []
    for _ in range(_ROUNDS):
        page.goto(f"{url}/runs/{run}")
        taken.append(float(page.evaluate(_DRAW)))
    return statistics.median(taken)


def log_long_curve(server: RunningServer) -> str:
    """Log a run with a curve of _POINTS points. Returns its id."""
    with (
        server.client() as client,
        my.run("long", experiment="bench/curves", capture=False, client=client) as run,
    ):
        for step in range(_POINTS):
            run.log_metric("loss", 1 / (1 + step / 5000) + step * 7919 % 1000 / 10_000, step)
    return str(run.id)


def measure(folder: Path) -> list[Row]:
    with (
        running_server(folder=folder / "ours") as ours,
        peers.mlflow(folder / "mlflow", 4) as mlflow,
        sync_playwright() as playwright,
    ):
        client = ours.client()
        (folder / "model.bin").write_bytes(b"weights")
        client.push(folder / "model.bin", "bench/scorer", capture=False)
        prepare_mlflow(mlflow)
        browser = playwright.chromium.launch(
            executable_path=PROGRAM, args=["--no-sandbox", "--disable-gpu", NO_OTHER_HOST]
        )
        page = browser.new_page()
        page.goto(client.accounts.sign_in_link("root"))
        page.get_by_role("button", name="Sign in with this link").click()
        page.wait_for_url(f"{ours.url}/")
        signed_in = page.context.cookies()
        asked = {
            "ours": partial(open_cold, browser, f"{ours.url}/models", "bench/scorer", signed_in),
            "MLflow": partial(open_cold, browser, f"{mlflow.url}/#/models", "scorer", []),
        }
        found: dict[str, list[tuple[float, int]]] = {name: [] for name in asked}
        for _ in range(_ROUNDS):
            for name, look in asked.items():
                found[name].append(look())
        drawn = draw_curve(page, ours.url, log_long_curve(ours))
        browser.close()
    times = {name: statistics.median(taken for taken, _ in rounds) for name, rounds in found.items()}
    sizes = {name: statistics.median(size for _, size in rounds) / 1000 for name, rounds in found.items()}
    return [
        faster("first list of models in a browser, cold", times["ours"], times["MLflow"], 5, "ms", "MLflow"),
        faster("its bytes", sizes["ours"], sizes["MLflow"], 30, "KB", "MLflow"),
        at_most("a curve of 100 000 points drawn", drawn, 150, "ms"),
    ]
