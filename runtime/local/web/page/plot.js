// Durations of one function over time: a bar for each invocation, the newest on the right. Starts have a lane and a scale
// of their own below them: one takes as long as many invocations.

import { clock, handled, milliseconds, svg } from "./dom.js";

const SHOWN = 80;
const MARGIN = { left: 58, right: 14, top: 14, bottom: 24 };
const LANE = 34;
const GAP = 10;

export function draw(plot, invocations, shown, pick) {
  const done = invocations.filter(handled).slice(-SHOWN);
  const { width, height } = plot.getBoundingClientRect();
  plot.replaceChildren();
  if (!done.length || !width) {
    if (width) plot.append(svg("text", { x: 16, y: 28 }, "The function's durations appear here after its first invocation."));
    return;
  }
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const longest = Math.max(...done.map((one) => one.init || 0));
  const floor = height - MARGIN.bottom;
  const runs = scale(ceiling(Math.max(...done.map((one) => one.duration))), MARGIN.top, floor - (longest ? LANE + GAP : 0));
  const starts = scale(longest || 1, floor - LANE, floor);
  for (const part of [0, 0.5, 1]) plot.append(...line(width, runs(runs.top * part), part ? milliseconds(runs.top * part) : "0"));
  if (longest) plot.append(...line(width, floor, milliseconds(longest), floor - LANE / 2 + 4));
  const step = Math.min((width - MARGIN.left - MARGIN.right) / done.length, 22);
  done.forEach((one, index) => plot.append(bars(one, MARGIN.left + step * index, step, runs, starts, shown, pick)));
  plot.append(svg("text", { x: MARGIN.left, y: height - 6 }, clock(done[0].started)));
  if (done.length > 8) {
    const end = MARGIN.left + step * done.length;
    plot.append(svg("text", { x: end, y: height - 6, "text-anchor": "end" }, clock(done.at(-1).started)));
  }
}

function scale(top, from, to) {
  return Object.assign((value) => to - (to - from) * (value / top), { top });
}

function line(width, y, label, at = y + 4) {
  return [
    svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
    svg("text", { x: MARGIN.left - 8, y: at, "text-anchor": "end" }, label),
  ];
}

function bars(one, x, step, runs, starts, shown, pick) {
  const width = Math.max(step - 3, 2);
  const took = milliseconds(one.duration) + (one.init ? ` after a start of ${milliseconds(one.init)}` : "");
  const part = (type, y, value) =>
    svg("rect", { class: type, x: x + 1, width, y: Math.min(y(value), y(0) - 1.5), height: Math.max(y(0) - y(value), 1.5), rx: Math.min(2, width / 2) });
  return svg(
    "g",
    { class: one.id === shown ? "bar-group shown" : "bar-group", onclick: () => pick(one.id) },
    svg("title", {}, `${clock(one.started)}: ${took}`),
    svg("rect", { class: "hit", x, width: step, y: MARGIN.top, height: starts(0) - MARGIN.top }),
    part(one.status === "success" ? "run" : "failed", runs, one.duration),
    one.init ? part("init", starts, one.init) : null,
  );
}

function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= value);
}

export function figures(invocations) {
  const times = invocations.filter(handled).map((one) => one.duration).sort((a, b) => a - b);
  if (!times.length) return "";
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))];
  return `median ${milliseconds(at(0.5))} · p95 ${milliseconds(at(0.95))}`;
}
