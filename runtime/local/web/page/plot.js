// Durations over time: one bar per invocation, its start below its run, the newest on the right.

import { clock, milliseconds, svg } from "./dom.js";

const SHOWN = 80;
const MARGIN = { left: 58, right: 14, top: 14, bottom: 24 };

export function draw(plot, invocations, shown, pick) {
  const done = invocations.filter((one) => one.duration !== null).slice(-SHOWN);
  const { width, height } = plot.getBoundingClientRect();
  plot.replaceChildren();
  if (!done.length || !width) {
    if (width) plot.append(svg("text", { x: 16, y: 28 }, "Durations appear here after the first invocation."));
    return;
  }
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const top = ceiling(Math.max(...done.map((one) => one.duration + (one.init || 0))));
  const y = (value) => MARGIN.top + inner.height * (1 - value / top);
  for (const part of [0, 0.5, 1]) {
    plot.append(
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(top * part), y2: y(top * part) }),
      svg("text", { x: MARGIN.left - 8, y: y(top * part) + 4, "text-anchor": "end" }, part ? milliseconds(top * part) : "0"),
    );
  }
  const step = Math.min(inner.width / done.length, 22);
  done.forEach((one, index) => plot.append(bar(one, MARGIN.left + step * index, step, y, shown, pick)));
  plot.append(svg("text", { x: MARGIN.left, y: height - 6 }, clock(done[0].started)));
  if (done.length > 8) {
    const end = MARGIN.left + step * done.length;
    plot.append(svg("text", { x: end, y: height - 6, "text-anchor": "end" }, clock(done.at(-1).started)));
  }
}

function bar(one, x, step, y, shown, pick) {
  const width = Math.max(step - 3, 2);
  const init = one.init || 0;
  const title = `${one.function}, ${clock(one.started)}: ${milliseconds(one.duration)}` + (init ? ` after ${milliseconds(init)} of init` : "");
  const kind = one.status === "success" ? "run" : "failed";
  const part = (type, from, to) =>
    svg("rect", { class: type, x: x + 1, width, y: y(to), height: Math.max(y(from) - y(to), 1.5), rx: Math.min(2, width / 2) });
  return svg(
    "g",
    { class: one.id === shown ? "bar-group shown" : "bar-group", onclick: () => pick(one.id) },
    svg("title", {}, title),
    svg("rect", { class: "hit", x, width: step, y: MARGIN.top, height: y(0) - MARGIN.top }),
    init ? part("init", 0, init) : null,
    part(kind, init, init + one.duration),
  );
}

function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 0.1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= value);
}

export function figures(invocations) {
  const times = invocations.filter((one) => one.duration !== null).map((one) => one.duration).sort((a, b) => a - b);
  if (!times.length) return "";
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))];
  return `median ${milliseconds(at(0.5))} · p95 ${milliseconds(at(0.95))}`;
}
