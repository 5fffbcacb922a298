/** Charts as small SVG pictures, each with the same numbers as a table for those who cannot see it. */
import { h, svg } from "../dom.js";

const WIDTH = 520;
const HEIGHT = 220;
const EDGE = { left: 46, right: 12, top: 12, bottom: 34 };

/** A round step so that about four lines fit. @param {number} span */
function niceStep(span) {
  const rough = span / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const share = rough / power;
  return (share <= 1 ? 1 : share <= 2 ? 2 : share <= 2.5 ? 2.5 : share <= 5 ? 5 : 10) * power;
}

/** @param {number} value */
const short = (value) =>
  new Intl.NumberFormat("en-US", { notation: Math.abs(value) >= 10000 ? "compact" : "standard", maximumFractionDigits: 2 }).format(value);

/** @param {string} title @param {string[]} heads @param {any[][]} rows */
const numbers = (title, heads, rows) =>
  h(
    "table",
    { class: "unseen" },
    h("caption", null, title),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        heads.map((head) => h("th", { scope: "col" }, head)),
      ),
    ),
    h(
      "tbody",
      null,
      rows.map(([name, ...values]) =>
        h(
          "tr",
          null,
          h("th", { scope: "row" }, name),
          values.map((value) => h("td", null, value ?? "no value")),
        ),
      ),
    ),
  );

/** @param {{name: string}[]} parts */
const legend = (parts) =>
  h(
    "ul",
    { class: "legend", "aria-hidden": "true" },
    parts.map((part, at) => h("li", null, h("span", { class: `legend-key series-${at % 6}` }), part.name)),
  );

/** @param {any} chart @param {string} title */
function axes(chart, title) {
  const series = (chart.series ?? []).map((/** @type {any} */ one) => ({ name: one.name ?? "", data: one.data ?? [] }));
  const categories = chart.axis_config?.categories ?? series[0]?.data.map((/** @type {any} */ point) => point.label) ?? [];
  const valueAt = (/** @type {any} */ one, /** @type {string} */ label) =>
    one.data.find((/** @type {any} */ point) => point.label === label)?.value ?? null;
  const all = series.flatMap((/** @type {any} */ one) => one.data.map((/** @type {any} */ point) => Number(point.value)));
  const step = niceStep(Math.max(0, ...all) - Math.min(0, ...all));
  const high = Math.max(step, Math.ceil(Math.max(0, ...all) / step) * step);
  const low = Math.floor(Math.min(0, ...all) / step) * step;
  const right = WIDTH - EDGE.right;
  const bottom = HEIGHT - EDGE.bottom;
  const y = (/** @type {number} */ value) => bottom - ((value - low) / (high - low || 1)) * (bottom - EDGE.top);
  const band = (right - EDGE.left) / Math.max(1, categories.length);
  const x = (/** @type {number} */ at) => EDGE.left + band * (at + 0.5);
  const lines = [];
  for (let value = low; value <= high + step / 1000; value += step) {
    lines.push(
      svg("line", { class: value === 0 ? "axis" : "grid", x1: EDGE.left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(Number(value.toPrecision(10)))),
    );
  }
  const every = Math.ceil((categories.length * 62) / (right - EDGE.left));
  const ticks = categories.map((/** @type {string} */ label, /** @type {number} */ at) =>
    at % every
      ? null
      : svg(
          "text",
          { class: "tick", x: x(at), y: bottom + 16, "text-anchor": "middle" },
          label.length > 10 ? `${label.slice(0, 9)}…` : label,
        ),
  );
  const marks = series.map((/** @type {any} */ one, /** @type {number} */ which) => {
    const points = categories
      .map((/** @type {string} */ label, /** @type {number} */ at) => ({ label, at, value: valueAt(one, label) }))
      .filter((/** @type {any} */ point) => point.value !== null);
    const tip = (/** @type {any} */ point) => svg("title", null, `${one.name ? `${one.name}, ` : ""}${point.label}: ${short(point.value)}`);
    if (chart.type === "bar") {
      const wide = Math.min(40, (band * 0.72) / series.length);
      return svg(
        "g",
        { class: `series-${which % 6}` },
        points.map((/** @type {any} */ point) =>
          svg(
            "rect",
            {
              class: "bar",
              rx: 2,
              x: x(point.at) - (wide * series.length) / 2 + wide * which,
              width: Math.max(1, wide - 2),
              y: Math.min(y(point.value), y(0)),
              height: Math.max(1, Math.abs(y(point.value) - y(0))),
            },
            tip(point),
          ),
        ),
      );
    }
    const path = points
      .map(
        (/** @type {any} */ point, /** @type {number} */ index) =>
          `${index ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`,
      )
      .join(" ");
    const area =
      chart.type === "area" && points.length
        ? svg("path", { class: "area", d: `${path} L${x(points[points.length - 1].at)} ${y(0)} L${x(points[0].at)} ${y(0)} Z` })
        : null;
    return svg(
      "g",
      { class: `series-${which % 6}` },
      area,
      svg("path", { class: "line", d: path }),
      points.map((/** @type {any} */ point) => svg("circle", { class: "dot", cx: x(point.at), cy: y(point.value), r: 3 }, tip(point))),
    );
  });
  const label = `${title}. ${chart.type} chart with ${series.length} series and ${categories.length} points.`;
  const x_label = chart.axis_config?.x_label;
  const y_label = chart.axis_config?.y_label;
  return [
    y_label ? h("p", { class: "axis-title", "aria-hidden": "true" }, y_label) : null,
    svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, lines, ticks, marks),
    x_label ? h("p", { class: "axis-title x", "aria-hidden": "true" }, x_label) : null,
    series.length > 1 || series[0]?.name ? legend(series) : null,
    numbers(
      title,
      [x_label ?? "", ...series.map((/** @type {any} */ one) => one.name)],
      categories.map((/** @type {string} */ name) => [name, ...series.map((/** @type {any} */ one) => valueAt(one, name))]),
    ),
  ];
}

/** @param {any} chart @param {string} title */
function pie(chart, title) {
  const segments = (chart.segments ?? []).filter((/** @type {any} */ one) => one.value > 0);
  const total = segments.reduce((/** @type {number} */ sum, /** @type {any} */ one) => sum + one.value, 0) || 1;
  const share = (/** @type {any} */ one) => `${Math.round((one.value / total) * 100)}%`;
  let from = -Math.PI / 2;
  const slices = segments.map((/** @type {any} */ one, /** @type {number} */ at) => {
    const to = from + (one.value / total) * Math.PI * 2;
    const point = (/** @type {number} */ angle) => `${(90 + 80 * Math.cos(angle)).toFixed(2)} ${(90 + 80 * Math.sin(angle)).toFixed(2)}`;
    const shape =
      segments.length === 1
        ? svg("circle", { class: "slice", cx: 90, cy: 90, r: 80 })
        : svg("path", { class: "slice", d: `M90 90 L${point(from)} A80 80 0 ${to - from > Math.PI ? 1 : 0} 1 ${point(to)} Z` });
    shape.append(svg("title", null, `${one.label}: ${short(one.value)} (${share(one)})`));
    from = to;
    return svg("g", { class: `series-${at % 6}` }, shape);
  });
  return [
    h(
      "div",
      { class: "pie" },
      svg(
        "svg",
        {
          class: "chart pie-chart",
          viewBox: "0 0 180 180",
          role: "img",
          "aria-label": `${title}. Pie chart with ${segments.length} parts.`,
        },
        slices,
      ),
      legend(segments.map((/** @type {any} */ one) => ({ name: `${one.label} · ${short(one.value)} (${share(one)})` }))),
    ),
    numbers(
      title,
      ["Part", "Value"],
      segments.map((/** @type {any} */ one) => [one.label, one.value]),
    ),
  ];
}

/** @param {any} block */
export function dataVisualization(block) {
  const chart = block.chart ?? {};
  const title = block.title ?? "Chart";
  return h(
    "figure",
    { class: "data-visualization" },
    h("figcaption", null, title),
    chart.type === "pie" ? pie(chart, title) : axes(chart, title),
  );
}
