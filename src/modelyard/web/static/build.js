"use strict";
// The log of a build: it goes on while the build does, and shows the line that the address names. Without this file it is read page by page.
{
  const log = document.getElementById("build-log");
  const list = log.querySelector("ol");
  const state = document.getElementById("log-state");
  const MOST_LINES = 3000;
  const marks = [["error", new RegExp(log.dataset.error, "i")], ["warning", new RegExp(log.dataset.warning, "i")]];
  const times = document.getElementById("log-times");
  const nameOf = (step, line) => `step-${step}-L${line}`;
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  let unread = 0;
  let isOver = false;
  let position = log.dataset.position;

  function toLine() {
    const place = decodeURIComponent(location.hash.slice(1));
    const [, step, line] = /^step-(.+)-L(\d+)$/.exec(place) || [];
    if (!step) return false;
    const found = document.getElementById(place);
    const shown = new URLSearchParams(location.search);
    if (found) log.scrollTop = found.offsetTop - log.offsetTop - log.clientHeight / 2;
    else if (shown.get("line") !== line || shown.get("step") !== step) location.assign(`?${new URLSearchParams({ step, line })}#${place}`);
    return true;
  }

  function write(item, text) {
    // A progress bar returns to the beginning of its line; its last state is shown.
    const shown = (text.split("\r").findLast((part) => part) || "").slice(0, 2000);
    item.querySelector("code").textContent = shown;
    item.className = marks.find(([, found]) => found.test(shown))?.[0] || "";
  }

  function sinceStart(at) {
    const tenths = Math.max(0, Math.round((at - Number(log.dataset.start)) / 100));
    const seconds = `${((tenths % 600) / 10).toFixed(1)}`.padStart(4, "0");
    return `+${Math.floor(tenths / 600)}:${seconds}`;
  }

  function showTime(item) {
    const at = Number(item.dataset.at);
    item.querySelector("time")?.remove();
    if (!at || !times.value) return;
    const shown = document.createElement("time");
    shown.dateTime = shown.title = new Date(at).toISOString();
    shown.textContent = times.value === "since" ? sinceStart(at) : shown.dateTime.slice(11, 23);
    item.querySelector("a").after(shown);
  }

  function addLine(attempt, step, number, text, when) {
    const name = nameOf(step, number);
    const known = number && attempt >= Number(log.dataset.attempt) ? document.getElementById(name) : null;
    if (known) { write(known, known.querySelector("code").textContent + text); return; }
    if (!log.dataset.step && list.dataset.last !== `${attempt} ${step}`) {
      const head = document.createElement("li");
      head.className = "of";
      head.textContent = step;
      list.append(head);
      list.dataset.last = `${attempt} ${step}`;
    }
    const item = document.createElement("li");
    const link = document.createElement("a");
    if (number) {
      item.id = name;
      link.href = `?${new URLSearchParams({ step, line: number })}#${name}`;
      link.textContent = number;
      link.setAttribute("aria-label", `Line ${number} of ${step}`);
    }
    if (when) item.dataset.at = Date.parse(when);
    item.append(link, document.createElement("code"));
    write(item, text);
    showTime(item);
    list.append(item);
    unread += 1;
  }

  function addTexts(news) {
    const follows = atEnd();
    if (news.attempt > Number(log.dataset.attempt)) {
      for (const line of list.querySelectorAll("[id]")) line.removeAttribute("id");
      log.dataset.attempt = news.attempt;
    }
    for (const { attempt, step, line, text, times: known } of news.texts) {
      const lines = text.split("\n");
      if (!lines.at(-1)) lines.pop();
      const when = new Map((known || []).map((each) => [each.line, each.at]));
      let last;
      lines.forEach((each, at) => {
        last = when.get(line + at) || last;
        addLine(attempt, step, line && line + at, each, last);
      });
    }
    document.getElementById("no-lines")?.remove();
    while (follows && list.childElementCount > MOST_LINES) list.firstElementChild.remove();
    isOver = news.ended;
    if (follows) { log.scrollTop = log.scrollHeight; unread = 0; }
    say(follows);
  }

  function say(follows) {
    const waits = unread && !follows ? `paused, ${unread} new lines` : "";
    state.textContent = waits || (isOver ? "the end of it" : "following");
    state.classList.toggle("run", !isOver);
  }

  log.addEventListener("scroll", () => { if (position && unread && atEnd()) { unread = 0; say(true); } });

  times.value = localStorage.getItem("log-times") || "";
  times.addEventListener("change", () => {
    localStorage.setItem("log-times", times.value);
    for (const line of list.children) if (line.dataset.at) showTime(line);
  });
  for (const line of list.children) if (line.dataset.at) showTime(line);

  // A tab that no one sees gives its connection back, and goes on from where it was.
  let source = null;
  function connect() {
    if (isOver || !position || source) return;
    source = new EventSource(`${log.dataset.stream}?${new URLSearchParams({ ...(log.dataset.step && { step: log.dataset.step }), position })}`);
    source.addEventListener("log", (event) => {
      const news = JSON.parse(event.data);
      position = String(news.position);
      addTexts(news);
      if (isOver) stop();
    });
    source.addEventListener("open", () => say(atEnd()));
    source.addEventListener("error", () => { state.textContent = "waiting for the server"; });
  }
  function stop() { source?.close(); source = null; }
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); else connect(); });
  addEventListener("hashchange", toLine);
  if (!toLine() && position) log.scrollTop = log.scrollHeight;
  if (!log.dataset.ended && !document.hidden) connect();
}
