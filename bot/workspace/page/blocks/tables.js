/** Tables: the plain one, and the data table with pages and sorting. */
import { announce, fill, h } from "../dom.js";
import { withEmoji } from "../emoji.js";
import { icon } from "../icons.js";
import { element } from "./elements.js";
import { richText } from "./richtext.js";

/** @param {any} cell @param {any} ctx @param {any} block @returns {any} */
function cellNode(cell, ctx, block) {
  if (cell === null || cell === undefined) return "";
  if (typeof cell !== "object") return String(cell);
  if (cell.type === "rich_text") return richText(cell);
  if (cell.type === "raw_number") return cell.text ?? Number(cell.value ?? cell.number).toLocaleString("en-US");
  if (cell.type === "button") return element(cell, ctx, block);
  return withEmoji(String(cell.text ?? ""));
}

/** The words of a cell, to sort by. @param {any} cell @returns {string} */
function cellWords(cell) {
  if (cell === null || cell === undefined) return "";
  if (typeof cell !== "object") return String(cell);
  if (cell.elements) return cell.elements.map(cellWords).join("");
  return String(cell.value ?? cell.text ?? cell.name ?? "");
}

/** Numbers by size, everything else as people sort words. @param {string} a @param {string} b */
function compare(a, b) {
  const [first, second] = [a, b].map((text) => (text.trim() === "" ? NaN : Number(text.replace(/[,%\s]/g, ""))));
  return Number.isNaN(first) || Number.isNaN(second) ? a.localeCompare(b, "en", { numeric: true }) : first - second;
}

/** @param {any} table @param {string} label */
const scroll = (table, label) => h("div", { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": label }, table);

/** @param {any} block @param {any} ctx */
export function table(block, ctx) {
  const settings = block.column_settings ?? [];
  const cellClass = (/** @type {number} */ at) => `side-${settings[at]?.align ?? "left"}${settings[at]?.is_wrapped ? " wrapped" : ""}`;
  const [head, ...rows] = block.rows ?? [];
  return scroll(
    h(
      "table",
      { class: "table" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          (head ?? []).map((/** @type {any} */ cell, /** @type {number} */ at) =>
            h("th", { scope: "col", class: cellClass(at) }, cellNode(cell, ctx, block)),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((/** @type {any[]} */ row) =>
          h(
            "tr",
            null,
            row.map((cell, at) => h("td", { class: cellClass(at) }, cellNode(cell, ctx, block))),
          ),
        ),
      ),
    ),
    "Table",
  );
}

/** @param {any} block @param {any} ctx */
export function dataTable(block, ctx) {
  const [head = [], ...rows] = block.rows ?? [];
  const size = block.page_size ?? 5;
  const rowHead = block.row_header_column_index ?? 0;
  const numeric = head.map(
    (/** @type {any} */ _, /** @type {number} */ at) =>
      rows.length > 0 && rows.every((/** @type {any[]} */ row) => row[at]?.type === "raw_number"),
  );
  let page = 0;
  let sort = { column: -1, down: false };
  const body = h("tbody");
  const place = h("span", { class: "table-place", "aria-live": "polite" });
  const step = (/** @type {number} */ by, /** @type {string} */ label, /** @type {string} */ picture) =>
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": label,
        on: {
          click: () => {
            page += by;
            paint();
          },
        },
      },
      icon(picture),
    );
  const back = step(-1, "Previous page", "back");
  const forth = step(1, "Next page", "right");
  const heads = head.map((/** @type {any} */ cell, /** @type {number} */ at) =>
    h(
      "th",
      { scope: "col", class: numeric[at] ? "side-right" : null },
      h(
        "button",
        {
          type: "button",
          class: "table-sort",
          on: {
            click: () => {
              sort = { column: at, down: sort.column === at && !sort.down };
              page = 0;
              paint();
              announce(`Sorted by ${cellWords(cell)}`);
            },
          },
        },
        cellNode(cell, ctx, block),
        icon("up"),
      ),
    ),
  );
  const paint = () => {
    const ordered = [...rows];
    if (sort.column >= 0) {
      ordered.sort((a, b) => compare(cellWords(a[sort.column]), cellWords(b[sort.column])));
      if (sort.down) ordered.reverse();
    }
    const shown = ordered.slice(page * size, page * size + size);
    heads.forEach((/** @type {HTMLElement} */ cell, /** @type {number} */ at) =>
      cell.setAttribute("aria-sort", sort.column === at ? (sort.down ? "descending" : "ascending") : "none"),
    );
    fill(
      body,
      shown.map((row) =>
        h(
          "tr",
          null,
          row.map((/** @type {any} */ cell, /** @type {number} */ at) =>
            h(
              at === rowHead ? "th" : "td",
              { scope: at === rowHead ? "row" : null, class: numeric[at] ? "side-right" : null },
              cellNode(cell, ctx, block),
            ),
          ),
        ),
      ),
    );
    place.textContent = `${page * size + 1}–${page * size + shown.length} of ${rows.length}`;
    back.disabled = page === 0;
    forth.disabled = (page + 1) * size >= rows.length;
  };
  paint();
  return h(
    "div",
    { class: "data-table" },
    scroll(
      h("table", { class: "table" }, h("caption", null, block.caption ?? ""), h("thead", null, h("tr", null, heads)), body),
      block.caption ?? "Table",
    ),
    rows.length > size ? h("div", { class: "table-pages" }, back, place, forth) : null,
  );
}
