/** The markdown block: the common subset (headings, emphasis, lists, quotes, code, links, tables, rules) as DOM nodes. */
import { h } from "../dom.js";
import { withEmoji } from "../emoji.js";
import { link } from "../mrkdwn.js";

const INLINE =
  /(`+)(.+?)\1|!?\[([^\]\n]*)\]\(([^()\s]+(?:\([^()\s]*\))?)(?:\s+"[^"]*")?\)|(\*\*|__)(?=\S)(.+?)(?<=\S)\5|(\*|_)(?=\S)(.+?)(?<=\S)\7(?![\p{L}\p{N}])|~~(?=\S)(.+?)(?<=\S)~~|<(https?:[^>\s]+)>|(https?:\/\/[^\s<>)]+[^\s<>).,;:!?])|\\([\\`*_{}[\]()#+\-.!~>|])/su;

/** @param {string} text @returns {any[]} */
function inline(text) {
  /** @type {any[]} */
  const nodes = [];
  let rest = text;
  for (;;) {
    const match = INLINE.exec(rest);
    if (!match) break;
    const [whole, ticks, code, label, url, , bold, mark, italic, strike, angled, bare, escaped] = match;
    const before = rest.slice(0, match.index);
    const insideWord = mark === "_" && /[\p{L}\p{N}]$/u.test(before);
    if (before) nodes.push(...words(before));
    if (insideWord) nodes.push(mark, ...inline(whole.slice(1)));
    else if (ticks) nodes.push(h("code", null, code.trim()));
    else if (url) nodes.push(link(url.replaceAll("&", "&amp;"), label ? inline(label) : url));
    else if (bold) nodes.push(h("strong", null, inline(bold)));
    else if (italic) nodes.push(h("em", null, inline(italic)));
    else if (strike) nodes.push(h("s", null, inline(strike)));
    else if (angled ?? bare) nodes.push(link((angled ?? bare).replaceAll("&", "&amp;"), angled ?? bare));
    else nodes.push(escaped);
    rest = rest.slice(match.index + whole.length);
  }
  if (rest) nodes.push(...words(rest));
  return nodes;
}

/** Line breaks kept, as Slack does. @param {string} text */
const words = (text) => text.split("\n").flatMap((line, at) => (at ? [h("br"), ...withEmoji(line)] : withEmoji(line)));

const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;

/** @param {string[]} lines @returns {any} */
function list(lines) {
  const first = /** @type {RegExpExecArray} */ (ITEM.exec(lines[0]));
  const depth = first[1].length;
  const ordered = /\d/.test(first[2]);
  /** @type {any[]} */
  const items = [];
  for (let at = 0; at < lines.length;) {
    const match = ITEM.exec(lines[at]);
    const own = [match ? match[3] : lines[at].trim()];
    at += 1;
    /** @type {string[]} */
    const inner = [];
    while (at < lines.length) {
      const next = ITEM.exec(lines[at]);
      if (next && next[1].length <= depth) break;
      if (!next && inner.length === 0) own.push(lines[at].trim());
      else inner.push(lines[at]);
      at += 1;
    }
    const task = /^\[([ xX])\]\s+/.exec(own[0]);
    if (task) own[0] = own[0].slice(task[0].length);
    items.push(
      h(
        "li",
        { class: task ? "task" : null },
        task
          ? h("input", { type: "checkbox", disabled: true, checked: task[1] !== " ", "aria-label": task[1] === " " ? "open" : "done" })
          : null,
        inline(own.join("\n")),
        inner.length ? list(inner) : null,
      ),
    );
  }
  return h(ordered ? "ol" : "ul", { start: ordered ? parseInt(first[2], 10) : null }, items);
}

/** @param {string} line */
const cells = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll("\\|", "|"));

/** @param {string[]} rows */
function table(rows) {
  const sides = cells(rows[1]).map((cell) => (/^:-+:$/.test(cell) ? "center" : /-:$/.test(cell) ? "right" : "left"));
  const line = (/** @type {string} */ row, /** @type {string} */ tag) =>
    h(
      "tr",
      null,
      cells(row).map((cell, at) => h(tag, { class: `side-${sides[at] ?? "left"}`, scope: tag === "th" ? "col" : null }, inline(cell))),
    );
  return h(
    "div",
    { class: "table-scroll", tabIndex: 0, role: "region", "aria-label": "Table" },
    h(
      "table",
      { class: "table" },
      h("thead", null, line(rows[0], "th")),
      h(
        "tbody",
        null,
        rows.slice(2).map((row) => line(row, "td")),
      ),
    ),
  );
}

/** @param {string} text @returns {any[]} */
export function markdownNodes(text) {
  const lines = text.replaceAll("\r", "").split("\n");
  /** @type {any[]} */
  const nodes = [];
  let at = 0;
  const take = (/** @type {(line: string, index: number) => boolean} */ wanted) => {
    const from = at;
    while (at < lines.length && wanted(lines[at], at - from)) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const line = lines[at];
    const fence = /^\s*(```+|~~~+)\s*(\S*)/.exec(line);
    const heading = /^(#{1,6})\s+(.+?)\s*#*$/.exec(line);
    if (!line.trim()) at += 1;
    else if (fence) {
      at += 1;
      const code = take((each) => !each.trim().startsWith(fence[1]));
      at += 1;
      nodes.push(h("pre", { data: fence[2] ? { language: fence[2] } : {} }, code.join("\n")));
    } else if (heading) {
      at += 1;
      nodes.push(
        h(
          "p",
          { class: `markdown-heading level-${heading[1].length}`, role: "heading", "aria-level": Math.min(6, heading[1].length + 2) },
          inline(heading[2]),
        ),
      );
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      at += 1;
      nodes.push(h("hr"));
    } else if (/^\s*>/.test(line))
      nodes.push(
        h(
          "blockquote",
          null,
          markdownNodes(
            take((each) => /^\s*>/.test(each))
              .map((each) => each.replace(/^\s*> ?/, ""))
              .join("\n"),
          ),
        ),
      );
    else if (line.includes("|") && /^[\s|:-]*-[\s|:-]*$/.test(lines[at + 1] ?? "") && lines[at + 1].includes("|"))
      nodes.push(table(take((each) => each.includes("|"))));
    else if (ITEM.test(line)) nodes.push(list(take((each) => Boolean(each.trim()) && (ITEM.test(each) || /^\s{2,}/.test(each)))));
    else
      nodes.push(
        h(
          "p",
          null,
          inline(
            take(
              (each, index) => Boolean(each.trim()) && (index === 0 || (!/^(\s*(```|~~~|>)|#{1,6}\s)/.test(each) && !ITEM.test(each))),
            ).join("\n"),
          ),
        ),
      );
  }
  return nodes;
}

/** @param {any} block */
export const markdownBlock = (block) => h("div", { class: "markdown words" }, markdownNodes(block.text ?? ""));
