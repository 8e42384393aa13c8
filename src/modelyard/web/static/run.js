"use strict";
// A run: curves to zoom into, and a page that follows a run while it goes on. Without this file the page shows static curves.
const SECONDS = 4;
const curves = document.getElementById("run-curves");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

async function readSeries(metric, width, from, to) {
  const query = new URLSearchParams({ metric, points: String(Math.max(100, Math.min(4000, 2 * Math.round(width)))) });
  if (from !== undefined) { query.set("from_step", String(Math.floor(from))); query.set("to_step", String(Math.ceil(to))); }
  const answer = await fetch(`/api/v1/runs/${curves.dataset.run}/series?${query}`, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  const found = await answer.json();
  return [found.steps, found.values.map((value) => (typeof value === "number" ? value : null))];
}

async function zoom(place) {
  const metric = place.dataset.metric;
  const width = place.clientWidth;
  let whole;
  try { whole = await readSeries(metric, width); } catch { return; }
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
  place.replaceChildren();
  place.classList.add("zoomed");
  const title = document.createElement("p");
  title.className = "small strong";
  title.textContent = `${metric}: drag to zoom in, double click to see all`;
  place.append(title);
  const chart = new uPlot({
    width,
    height: 220,
    legend: { show: true },
    cursor: { drag: { x: true, y: false, setScale: false } },
    scales: { x: { time: false } },
    axes: [axis, { ...axis, size: 60 }],
    series: [{ label: "step" }, { label: metric, stroke: colour("--c0"), width: 1.5 }],
    hooks: {
      setSelect: [async (self) => {
        if (self.select.width < 4) return;
        const [low, high] = [self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")];
        self.setSelect({ left: 0, width: 0 }, false);
        try { self.setData(await readSeries(metric, width, low, high)); } catch { /* what is shown stays */ }
      }],
    },
  }, whole, place);
  chart.over.addEventListener("dblclick", () => chart.setData(whole));
}

curves?.addEventListener("click", (event) => {
  const button = event.target.closest(".zoom");
  if (button) zoom(button.closest(".curve"));
});

const log = document.getElementById("run-log");
const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 30;
if (log && !location.hash) log.scrollTop = log.scrollHeight;
if (location.hash.startsWith("#b")) document.querySelector(`[id="${location.hash.slice(1)}"]`)?.scrollIntoView({ block: "center" });

function follow(page) {
  const fresh = page.getElementById("run-log");
  if (!fresh || !log) return;
  const last = log.querySelector("li:last-child")?.id;
  const lines = [...fresh.querySelectorAll("li")];
  const at = lines.findIndex((line) => line.id === last);
  const state = document.getElementById("log-state");
  if (at < 0 && !atEnd()) { state.textContent = "paused: there are new lines"; return; }
  const follows = atEnd();
  if (at < 0) log.querySelector("ol").replaceChildren(...lines);
  else {
    log.querySelector("li:last-child").replaceWith(lines[at]);
    log.querySelector("ol").append(...lines.slice(at + 1));
  }
  if (follows) { log.scrollTop = log.scrollHeight; state.textContent = "following"; }
  else if (lines.length > at + 1) state.textContent = `paused, ${lines.length - at - 1} new lines`;
}

async function refresh() {
  const state = document.getElementById("live-state");
  if (!document.hidden) {
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["run-sub", "run-metrics"]) {
        const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
        if (old && fresh && !old.contains(document.activeElement)) old.replaceChildren(...fresh.childNodes);
      }
      for (const curve of document.querySelectorAll(".curve:not(.zoomed)")) {
        const fresh = page.querySelector(`.curve[data-metric="${CSS.escape(curve.dataset.metric)}"]`);
        if (fresh && !curve.contains(document.activeElement)) curve.replaceChildren(...fresh.childNodes);
      }
      follow(page);
      const head = page.getElementById("run-head");
      state.textContent = "";
      if (!head || !("live" in head.dataset)) {
        const chip = head?.querySelector(".chip");
        if (chip) document.querySelector("#run-head .chip").replaceWith(chip);
        return;
      }
    } catch { state.textContent = "live updates paused"; }
  }
  setTimeout(refresh, SECONDS * 1000);
}

if (document.querySelector("[data-live]")) setTimeout(refresh, SECONDS * 1000);
