// The page: `state` keeps what the platform sends, and the `show…` functions draw it.

import { $, clock, handled, make, milliseconds, pretty } from "./dom.js";
import { draw, figures } from "./plot.js";
import { mark, showSources } from "./sources.js";

const state = { functions: [], invocations: new Map(), lines: new Map(), samples: {}, chosen: null, shown: null, details: null, queued: 0, source: null };
const PLATFORM = /^(START|END|REPORT|INIT_REPORT) /;

// -- what the platform sends

async function load() {
  const answer = await fetch("/_dispatch/state");
  if (!answer.ok) return note(`the platform returned status ${answer.status}`);
  const found = await answer.json();
  state.functions = found.functions;
  state.queued = found.queued;
  state.invocations = new Map(found.invocations.map((one) => [one.id, one]));
  if (!state.functions.some((one) => one.name === state.chosen)) state.chosen = state.functions[0]?.name ?? null;
  if (!Object.keys(state.samples).length) {
    state.samples = found.samples;
    showSamples();
  }
  showFunctions();
  showHistory();
}

let waiting = null;
function loadSoon() {
  waiting ??= setTimeout(() => { waiting = null; load(); }, 120);
}

function listen() {
  const feed = new EventSource("/_dispatch/feed");
  feed.onopen = () => load().then(() => live(true));
  feed.onerror = () => live(false);
  feed.addEventListener("start", (message) => { received(JSON.parse(message.data)); loadSoon(); });
  feed.addEventListener("end", (message) => { received(JSON.parse(message.data)); loadSoon(); });
  feed.addEventListener("note", (message) => { note(JSON.parse(message.data).text); loadSoon(); });
  feed.addEventListener("sources", (message) => sourcesChanged(JSON.parse(message.data)));
  feed.addEventListener("log", (message) => {
    const line = JSON.parse(message.data);
    // Its environment is no longer starting.
    if (line.text.startsWith("START ")) loadSoon();
    if (!line.id) return;
    // A line may arrive before the message that its invocation has started.
    state.lines.set(line.id, [...(state.lines.get(line.id) ?? []), line.text]);
    if (line.id === state.shown) showLog();
  });
}

function received(summary) {
  if (summary.status !== "running") {
    if (summary.id === state.shown && state.details?.status === "running") state.details.log = state.lines.get(summary.id) ?? [];
    state.lines.delete(summary.id);
  }
  state.invocations.set(summary.id, summary);
  showHistory();
}

function sourcesChanged(message) {
  showSources(message, pickSource);
  if (state.source && !message.ids.includes(state.source.id)) pickSource(null);
}

// -- invoking

async function invoke(text = $("event").value, name = state.chosen) {
  if (!name) return;
  const button = $("invoke");
  button.disabled = true;
  begin({ function: name, event: text, log: [], answer: "", status: "running" }, null);
  try {
    const answer = await fetch(`/_dispatch/invoke/${name}`, { method: "POST", body: text });
    if (!answer.ok) throw new Error((await answer.json()).Message);
    for await (const line of lines(answer.body)) followed(line);
  } catch (error) {
    state.details = { ...state.details, status: "error", answer: String(error.message) };
    showResult();
  } finally {
    button.disabled = false;
  }
}

function begin(details, id) {
  state.details = details;
  state.shown = id;
  showResult();
}

function followed(line) {
  if (line.kind === "start") state.shown = line.id;
  if (line.kind === "chunk") state.details.answer += line.text;
  if (line.kind === "end") state.details = line;
  showResult();
}

async function* lines(body) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

async function pick(id) {
  const answer = await fetch(`/_dispatch/invocations/${id}`);
  if (!answer.ok) return;
  const details = await answer.json();
  if (state.functions.some((one) => one.name === details.function)) choose(details.function);
  $("event").value = pretty(details.event);
  validate();
  begin(details, id);
}

function repeat(id = state.shown) {
  if (id) pick(id).then(() => invoke(state.details.event, state.details.function));
}

// -- drawing

function showFunctions() {
  $("functions").replaceChildren(...state.functions.map((one) => make("li", {}, functionButton(one))));
  const chosen = state.functions.find((one) => one.name === state.chosen);
  const environments = chosen?.environments ?? [];
  $("environments").replaceChildren(...environments.map(environmentItem));
  $("no-environments").hidden = environments.length > 0 || Boolean(chosen?.failure);
  $("failure").hidden = !chosen?.failure;
  $("failure").textContent = chosen?.failure ? `The function did not load; the next event tries again.\n${chosen.failure}` : "";
  $("target").textContent = chosen ? `${chosen.name} · ${chosen.timeout} s · ${chosen.memory} MB` : "";
  $("url").hidden = !chosen?.url;
  $("url").href = chosen?.url ?? "";
  $("url").title = chosen?.url ? `Also at http://${chosen.name.toLowerCase()}.lambda-url.localhost:${location.port}/, where absolute paths work` : "";
  document.title = chosen ? `${chosen.name} · Dispatch` : "Dispatch";
}

function functionButton(one) {
  const phases = one.environments.map((each) => each.phase);
  const phase = one.failure ? "failed" : ["busy", "starting", "idle"].find((each) => phases.includes(each));
  const dot = phase ? make("span", { class: `dot ${phase}`, title: one.failure ? "did not load" : phase }) : null;
  return make(
    "button",
    { "aria-current": String(one.name === state.chosen), onclick: () => choose(one.name), title: `${one.name}\n${one.handler}\n${one.root}` },
    make("span", { class: "name" }, make("span", {}, one.name), dot),
    make("span", { class: "more" }, make("span", { class: "handler cut" }, one.handler), make("span", { class: "tag cut" }, one.convention)),
  );
}

function environmentItem(one) {
  return make(
    "li",
    { title: `${one.id}, started at ${clock(one.created)}` },
    make("span", { class: `dot ${one.phase}` }),
    make("code", {}, one.id.slice(-8)),
    make("span", { class: "quiet" }, one.phase),
    make("span", { class: "more" }, `${one.invocations} ${one.invocations === 1 ? "event" : "events"}, ${one.memory} MB`),
  );
}

function choose(name) {
  state.chosen = name;
  showFunctions();
  showDurations();
}

function showSamples() {
  const options = Object.keys(state.samples).map((name) => make("option", { value: name }, name));
  $("sample").replaceChildren(make("option", { value: "" }, "Sample…"), ...options);
  if (!$("event").value) useSample("hello");
}

function useSample(name) {
  $("event").value = (state.samples[name] ?? "{}").trimEnd();
  validate();
}

function validate() {
  const mark = $("validity");
  try {
    JSON.parse($("event").value || "{}");
    mark.textContent = "";
    mark.className = "quiet";
  } catch {
    mark.textContent = "not JSON; Lambda refuses it";
    mark.className = "quiet bad";
  }
}

function showResult() {
  const details = state.details;
  if (!details) return;
  $("status").hidden = false;
  $("status").textContent = details.errorType && details.status !== "running" ? details.errorType : details.status;
  $("status").className = `pill ${details.status}`;
  $("status").title = $("status").textContent;
  const failed = details.status === "error" || details.status === "timeout";
  $("answer").replaceChildren(make("span", { class: failed && !details.size ? "error" : "" }, shownAnswer(details)));
  const facts = { Duration: handled(details) && milliseconds(details.duration), Start: milliseconds(details.init), Memory: details.memory && `${details.memory} MB`, Size: details.size && `${details.size} bytes`, Id: details.id?.slice(0, 8) };
  const items = Object.entries(facts).filter(([, value]) => value);
  $("facts").replaceChildren(...items.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  showLog();
  showHistory();
}

function shownAnswer(details) {
  if (details.error && !details.size) return readable(details.error);
  const whole = details.status === "running" || details.streamed ? details.answer : pretty(details.answer);
  const cut = details.cut ? "\n… the rest was not kept" : "";
  return whole + cut + (details.error ? `\n\n${readable(details.error)}` : "");
}

function readable(report) {
  try {
    const { errorType, errorMessage, stackTrace } = JSON.parse(report);
    return [`${errorType}: ${errorMessage}`, ...(stackTrace ?? [])].map((line) => line.trimEnd()).join("\n");
  } catch {
    return report;
  }
}

function showLog() {
  const log = state.lines.get(state.shown) ?? state.details?.log ?? [];
  const own = log.filter((line) => !PLATFORM.test(line)).length;
  $("log-count").textContent = own ? `(${own})` : "";
  $("log").replaceChildren(...log.map((line) => make("span", { class: PLATFORM.test(line) ? "platform" : line.startsWith("[ERROR]") ? "error" : "" }, `${line.replaceAll("\r", "\n")}\n`)));
}

function listed() {
  const all = [...state.invocations.values()].toReversed();
  return state.source ? all.filter((one) => one.mapping === state.source.id) : all;
}

function showHistory() {
  const all = listed();
  $("history").replaceChildren(...all.map(row));
  $("no-history").hidden = all.length > 0;
  $("no-history").textContent = state.source ? "None of the invocations that are kept came from this source." : "No invocations yet.";
  $("queued").textContent = state.queued ? `${state.queued} in the queue` : "";
  showDurations();
}

function showDurations() {
  const own = [...state.invocations.values()].filter((one) => one.function === state.chosen);
  $("figures").textContent = figures(own);
  draw($("plot"), own, state.shown, pick);
}

function pickSource(source) {
  state.source = source?.id === state.source?.id ? null : source;
  const name = state.source ? `${state.source.title} for ${state.source.function}` : "";
  $("filter").hidden = !state.source;
  $("filter").textContent = `✕ only ${name}`;
  $("filter").setAttribute("aria-label", `Only ${name}; show all invocations`);
  mark(state.source?.id);
  showHistory();
  if (state.source) $("history-card").scrollIntoView({ block: "nearest" });
}

function row(one) {
  const status = one.errorType ?? one.status;
  const again = (event) => { event.stopPropagation(); repeat(one.id); };
  return make(
    "tr",
    { tabindex: 0, "aria-selected": String(one.id === state.shown), "data-id": one.id, onclick: () => pick(one.id), onkeydown: (event) => event.key === "Enter" && pick(one.id) },
    make("td", {}, clock(one.started)),
    make("td", { title: one.function }, one.function),
    make("td", { class: "quiet wide" }, one.source),
    make("td", {}, make("span", { class: `pill ${one.status}`, title: status }, status.replace(/^Runtime\./, ""))),
    make("td", { class: "number" }, handled(one) ? milliseconds(one.duration) : ""),
    make("td", { class: "number wide" }, milliseconds(one.init)),
    make("td", { class: "number wide" }, one.memory ? `${one.memory} MB` : ""),
    make("td", {}, make("button", { onclick: again, title: "Repeat: invoke again with the same event (r)", "aria-label": "Repeat" }, "↻")),
  );
}

function tab(name) {
  for (const one of ["answer", "log"]) {
    $(one).hidden = one !== name;
    $(`tab-${one}`).setAttribute("aria-selected", String(one === name));
  }
}

function note(text) {
  $("note").textContent = text;
}

function live(on) {
  $("live").className = on ? "live on" : "live";
  $("live-text").textContent = on ? "live" : "not connected";
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem("theme", name);
}

// -- keys and buttons

function step(by) {
  const ids = listed().map((one) => one.id);
  const next = ids[Math.max(0, Math.min(ids.length - 1, ids.indexOf(state.shown) + by))];
  if (next) pick(next);
}

const KEYS = {
  e: () => $("event").focus(),
  s: () => $("sample").focus(),
  j: () => step(1),
  k: () => step(-1),
  r: () => repeat(),
  a: () => tab("answer"),
  l: () => tab("log"),
  "?": () => $("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return event.preventDefault(), invoke();
  if (event.key === "Escape" && event.target === $("event")) return $("event").blur();
  if (event.target.matches("textarea, select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[1-9]$/.test(event.key) && state.functions[event.key - 1]) return choose(state.functions[event.key - 1].name);
  if (KEYS[event.key]) event.preventDefault(), KEYS[event.key]();
});

$("invoke").addEventListener("click", () => invoke());
$("sample").addEventListener("change", (event) => { if (event.target.value) useSample(event.target.value); event.target.value = ""; });
$("format").addEventListener("click", () => { $("event").value = pretty($("event").value); });
$("event").addEventListener("input", validate);
$("tab-answer").addEventListener("click", () => tab("answer"));
$("tab-log").addEventListener("click", () => tab("log"));
$("help-open").addEventListener("click", () => $("help").showModal());
$("filter").addEventListener("click", () => pickSource(null));
$("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
new ResizeObserver(() => showHistory()).observe($("plot"));
theme(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
listen();
