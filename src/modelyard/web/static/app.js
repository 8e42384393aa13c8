"use strict";
// What pages gain with scripts: copying, keys, the palette, selecting rows, times in the reader's zone. Everything works without.
document.documentElement.classList.add("js");

// The field of a dialog that was just closed has the focus until the next frame; nobody types into it.
const typing = (target) => target.closest("input, textarea, select, [contenteditable]")?.checkVisibility();

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.parentElement.querySelector("pre, code").textContent;
  navigator.clipboard.writeText(text).then(() => say("Copied"));
});

function say(words) {
  const region = document.getElementById("said");
  region.textContent = "";
  setTimeout(() => { region.textContent = words; }, 50);
}

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) time.title = moment.toLocaleString(undefined, { dateStyle: "long", timeStyle: "long" });
}

for (const form of document.querySelectorAll("form[data-choose]")) {
  const button = form.querySelector("[data-chosen]");
  const show = () => {
    const count = form.querySelectorAll("input[type=checkbox]:checked").length;
    button.disabled = count < 2 || count > 8;
    form.querySelector("[data-count]").textContent = count ? `${count} selected` : "";
  };
  form.addEventListener("change", show);
  show();
}

for (const select of document.querySelectorAll("[data-submit]")) select.addEventListener("change", () => select.form.requestSubmit());

const palette = document.getElementById("palette");
let waiting = 0;

function openPalette() {
  palette.showModal();
  palette.querySelector("input").select();
  find("");
}

// The palette: groups of at most three, Tab shows one group whole. Nothing in it acts at once: each entry opens a page.
let shownGroups = [];
let openGroup = "";
let asked = 0;

async function find(words) {
  asked += 1;
  const turn = asked;
  const answer = await fetch(`/search?q=${encodeURIComponent(words)}`, { headers: { accept: "application/json" } });
  const groups = answer.ok ? (await answer.json()).groups : null;
  // An answer to fewer letters may come after one to more of them.
  if (!groups || turn !== asked) return;
  shownGroups = groups;
  openGroup = "";
  drawPalette(words);
}

function marked(text, words) {
  const at = words ? text.toLowerCase().indexOf(words.toLowerCase()) : -1;
  if (at < 0) return [text];
  const mark = document.createElement("mark");
  mark.textContent = text.slice(at, at + words.length);
  return [text.slice(0, at), mark, text.slice(at + words.length)];
}

function drawPalette(words) {
  const sought = words.replace(/^[>@#]\s*/, "");
  const entries = [];
  for (const group of shownGroups) {
    if (openGroup && group.name !== openGroup) continue;
    const head = document.createElement("li");
    head.className = "group";
    head.textContent = group.name;
    const some = openGroup ? group.items : group.items.slice(0, 3);
    if (some.length < group.items.length) {
      const more = document.createElement("span");
      more.textContent = `Tab: all ${group.items.length}`;
      head.append(more);
    }
    entries.push(head);
    for (const item of some) {
      const entry = document.createElement("li");
      const link = document.createElement("a");
      link.href = item.href;
      link.dataset.group = group.name;
      link.dataset.waits = item.waits ? "1" : "";
      link.dataset.reference = item.copy || "";
      const detail = document.createElement("span");
      detail.className = "muted small";
      detail.textContent = item.detail;
      const words = document.createElement("span");
      words.append(...marked(item.words, sought));
      link.append(words, detail);
      entry.append(link);
      entries.push(entry);
    }
  }
  if (!entries.length) {
    const none = document.createElement("li");
    none.className = "group";
    none.textContent = `Nothing is called “${words}”`;
    entries.push(none);
  }
  palette.querySelector("ul").replaceChildren(...entries);
  const links = [...palette.querySelectorAll("li a")];
  // What waits for the reader comes first, then what was looked for.
  const first = links.find((link) => link.dataset.waits) || links.find((link) => link.dataset.group !== "Do") || links[0];
  if (first) first.classList.add("at");
}

if (palette) {
  const field = palette.querySelector("input");
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => find(field.value.trim()), 90);
  });
  palette.addEventListener("keydown", (event) => {
    const links = [...palette.querySelectorAll("li a")];
    const at = links.findIndex((link) => link.classList.contains("at"));
    if (event.key === "Escape") { event.preventDefault(); palette.close(); }
    if (event.key === "Enter" && links[at]) { event.preventDefault(); links[at].click(); }
    if (event.key === "Tab" && links[at]) { event.preventDefault(); openGroup = openGroup ? "" : links[at].dataset.group; drawPalette(field.value.trim()); }
    if ((event.ctrlKey || event.metaKey) && event.key === "c" && links[at]?.dataset.reference && field.selectionStart === field.selectionEnd) {
      navigator.clipboard.writeText(links[at].dataset.reference).then(() => say("Copied"));
    }
    if (!links.length || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
    event.preventDefault();
    const next = (at + (event.key === "ArrowDown" ? 1 : links.length - 1)) % links.length;
    links.forEach((link, index) => { link.classList.toggle("at", index === next); });
    links[next].scrollIntoView({ block: "nearest" });
  });
}

const hasKeys = document.documentElement.dataset.keys !== "off";
let lead = "";
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && palette) { event.preventDefault(); openPalette(); return; }
  if (!hasKeys || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  const place = lead === "g" && document.querySelector(`.rail [data-key="${CSS.escape(event.key)}"]`);
  if (place) { location.href = place.href; return; }
  if (event.key === "/") { const field = document.querySelector("main input[type=search]"); if (field) { event.preventDefault(); field.focus(); } }
  if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
  if (event.key === "x") document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click();
  if (event.key === "c") document.querySelector("[data-chosen]:not([disabled])")?.click();
  if (event.key === "?") document.getElementById("keys")?.showModal();
  lead = event.key;
});

function move(by) {
  const rows = [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a"));
  const at = rows.indexOf(document.activeElement.closest("tr"));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
  next?.querySelector("a").focus();
}

// One stream of events a page: when something happened, the parts with data-live are read again and put in place.
// What has the focus keeps it, and a part in which somebody types stays as it is.
const source = document.body.dataset.events;
let refreshing = 0;

function isEdited(part) {
  return [...part.querySelectorAll("textarea, input:not([type=hidden]), select")].some(
    (field) => field === document.activeElement || ("defaultValue" in field && field.value !== field.defaultValue) || (field.type === "checkbox" && field.checked !== field.defaultChecked));
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || isEdited(part) || next.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const id = focused?.id;
    const href = focused?.getAttribute("href");
    part.replaceChildren(...next.childNodes);
    if (!focused) continue;
    const again = (id && document.getElementById(id)) || (href && [...part.querySelectorAll("a")].find((link) => link.getAttribute("href") === href));
    (again || document.getElementById("main")).focus({ preventScroll: true });
  }
}

// A part that says how far some work is, is read again until the work is over.
async function poll() {
  if (!document.querySelector("[data-poll]")) return;
  await new Promise((resume) => { setTimeout(resume, 1000); });
  if (!document.hidden) await refresh();
  poll();
}
poll();

function soon() {
  clearTimeout(refreshing);
  refreshing = setTimeout(refresh, 300);
}

function showPaused(since) {
  const note = document.getElementById("paused");
  if (!note) return;
  note.hidden = !since;
  note.textContent = since ? `Live updates paused since ${since.toLocaleTimeString()}. What you see may be older than that.` : "";
}

// Browsers allow six connections to a server: a tab that no one sees gives its own back, and catches up when it is seen.
let connection = null;
document.addEventListener("visibilitychange", () => { if (document.hidden) connection?.abort(); });

function untilSeen() {
  return new Promise((resume) => { document.addEventListener("visibilitychange", resume, { once: true }); });
}

async function follow() {
  let last = "";
  let since = null;
  let isBroken = false;
  for (let tries = 0; ; tries += 1) {
    try {
      while (document.hidden) await untilSeen();
      connection = new AbortController();
      const answer = await fetch(source, { headers: last ? { "last-event-id": last } : {}, signal: connection.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      // What happened between two connections is on the page that is read now.
      if (isBroken) { isBroken = false; since = null; showPaused(null); soon(); }
      tries = 0;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read();
        if (done) break;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        const ids = blocks.map((block) => /^id: (\d+)/m.exec(block)?.[1]).filter(Boolean);
        if (ids.length) { last = ids.at(-1); soon(); }
        // Who votes may be shown a promotion without being told the events of its model.
        if ("beat" in document.body.dataset && blocks.some((block) => block.startsWith(":"))) soon();
      }
    } catch {
      if (!document.hidden) {
        since ??= new Date();
        showPaused(since);
      }
    }
    isBroken = true;
    await new Promise((resume) => { setTimeout(resume, Math.min(30000, 1000 * 2 ** Math.min(tries, 5))); });
  }
}

if (source) follow();
