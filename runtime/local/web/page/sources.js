// The event sources. Each has a row that stays the same element while its figures change, so that the focus and what was
// opened stay, too, and below it a row with the details.

import { $, clock, make } from "./dom.js";

const COLUMNS = {
  source: "Source", function: "Function", status: "State", lag: "Waiting", inFlight: "In flight", batches: "Batches",
  records: "Records", failures: "Failures", deadLetters: "Dead letters", retrying: "Retrying",
};
const WORDS = { unreachable: "cannot be reached" };
const shown = new Map();

export function showSources({ ids, changed }, pick) {
  for (const one of changed) {
    if (!shown.has(one.id)) shown.set(one.id, entry(one.id, pick));
    update(shown.get(one.id), one);
  }
  for (const id of shown.keys()) {
    if (ids.includes(id)) continue;
    shown.get(id).body.remove();
    shown.delete(id);
  }
  if (!$("sources").tHead.rows.length) $("sources").tHead.append(head());
  ids.forEach((id, index) => place($("sources"), shown.get(id).body, index));
  $("sources-card").hidden = ids.length === 0;
}

export function mark(chosen) {
  for (const [id, { name }] of shown) name.setAttribute("aria-pressed", String(id === chosen));
}

function head() {
  const cells = Object.entries(COLUMNS).map(([key, text]) => make("th", { class: `s-${key}`, role: "columnheader", scope: "col" }, text));
  return make("tr", { role: "row" }, ...cells);
}

function place(table, body, index) {
  if (table.tBodies[index] !== body) table.insertBefore(body, table.tBodies[index] ?? null);
}

function entry(id, pick) {
  const found = { one: null, drawn: {} };
  const details = `source-${id}`;
  found.toggle = make("button", { class: "toggle", "aria-expanded": "false", "aria-controls": details, onclick: () => toggle(found) }, "▸");
  found.name = make("button", { class: "plain cut", "aria-pressed": "false", onclick: () => pick(found.one) });
  found.cells = Object.fromEntries(Object.entries(COLUMNS).slice(1).map(([key, text]) => [key, make("td", { class: `s-${key}`, role: "cell", "data-label": text })]));
  const title = make("th", { class: "s-source", role: "rowheader", scope: "row" }, make("span", {}, found.toggle, found.name));
  found.details = make("td", { role: "cell", colspan: Object.keys(COLUMNS).length });
  found.more = make("tr", { id: details, class: "details", role: "row", hidden: true }, found.details);
  found.body = make("tbody", { role: "rowgroup" }, make("tr", { role: "row" }, title, ...Object.values(found.cells)), found.more);
  return found;
}

function toggle(found) {
  found.more.hidden = !found.more.hidden;
  found.toggle.setAttribute("aria-expanded", String(!found.more.hidden));
  found.toggle.textContent = found.more.hidden ? "▸" : "▾";
}

function update(found, one) {
  found.one = one;
  found.name.textContent = one.title;
  found.name.title = `${one.title}: show only its invocations`;
  found.toggle.setAttribute("aria-label", `Details of ${one.title}`);
  const { cells } = found;
  cells.function.textContent = cells.function.title = one.function;
  cells.status.replaceChildren(make("span", { class: `pill ${one.status}`, title: one.reason }, WORDS[one.status] ?? one.status));
  cells.lag.replaceChildren(...waiting(one));
  cells.inFlight.textContent = one.inFlight ?? "—";
  for (const key of ["batches", "records", "failures", "deadLetters"]) cells[key].textContent = one[key];
  for (const key of ["failures", "deadLetters"]) cells[key].classList.toggle("bad", one[key] > 0);
  cells.retrying.textContent = one.retrying.length;
  const parts = details(one);
  if (JSON.stringify(parts) !== found.parts) {
    found.parts = JSON.stringify(parts);
    drawDetails(found, parts);
  }
}

function waiting(one) {
  if (one.kind === "schedule") return one.due ? ["next ", make("time", {}, moment(one.due))] : ["—"];
  if (one.lag === null) return ["—"];
  return [String(one.lag), make("span", { class: "quiet age" }, " at ", make("time", {}, moment(one.measured)))];
}

function moment(time) {
  const date = new Date(time);
  return date.toDateString() === new Date().toDateString() ? clock(time) : date.toLocaleString([], { hour12: false });
}

function details(one) {
  const unnamed = one.failures ? "None: the answers of the function named the messages that failed, or were malformed." : "None.";
  return { failed: Boolean(one.lastError), error: one.lastError || unnamed, retrying: one.retrying.map((each) => [each.id, each.deliveries]), redelivered: one.redelivered };
}

function drawDetails(found, { failed, error, retrying, redelivered }) {
  found.list ??= make("ul", { class: "retrying", tabindex: 0, "aria-label": "Messages that are being retried" });
  found.list.replaceChildren(...retrying.map(([id, times]) => make("li", {}, make("code", {}, id), ` ${times} ${times === 1 ? "delivery" : "deliveries"}`)));
  const others = redelivered ? `, ${redelivered} on all servers` : "";
  found.details.replaceChildren(
    make("h3", {}, "Last error"),
    make("p", { class: failed ? "bad" : "quiet" }, error),
    make("h3", {}, `Being retried${others}`),
    retrying.length ? found.list : make("p", { class: "quiet" }, "None."),
  );
}
