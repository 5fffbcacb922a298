/** Emoji by name: lookup, search, and the small picker behind "Add reaction". */
import { arrowKeys, fill, freshId, h } from "./dom.js";
import { TABLE } from "./emoji-table.js";
import { openPopover } from "./popover.js";

/** @type {Map<string, string>} name (and every alias) to character */
const byName = new Map();
/** @type {{names: string[], glyph: string}[]} */
const all = [];

const words = TABLE.trim().split(/\s+/);
for (let at = 0; at + 1 < words.length; at += 2) {
  const names = words[at].split("|");
  all.push({ names, glyph: words[at + 1] });
  for (const name of names) byName.set(name, words[at + 1]);
}

const TONES = ["", "", "🏻", "🏼", "🏽", "🏾", "🏿"];

/** The character of a shortcode, or null where the name is not known. @param {string} name @returns {string | null} */
export function glyphOf(name) {
  const [base, tone] = name.split("::");
  const glyph = byName.get(base);
  if (!glyph) return null;
  const skin = /^skin-tone-([2-6])$/.exec(tone ?? "");
  return skin ? glyph.replace(/\uFE0F$/, "") + TONES[Number(skin[1])] : glyph;
}

/** @param {string} name @returns {HTMLElement} */
export function emojiNode(name) {
  const glyph = glyphOf(name);
  if (!glyph) return h("span", { class: "emoji-unknown" }, `:${name}:`);
  return h("span", { class: "emoji", role: "img", "aria-label": `${name.replaceAll("_", " ")} emoji`, title: `:${name}:` }, glyph);
}

/** Characters that are emoji already get the colour font too; a text font would draw some of them as plain dots. @param {string} text */
const coloured = (text) => text.split(/(\p{RGI_Emoji})/v).map((part, at) => (at % 2 ? h("span", { class: "emoji" }, part) : part));

/** Split a text at its shortcodes. @param {string} text @returns {(string | HTMLElement)[]} */
export function withEmoji(text) {
  return text.split(/(:[a-z0-9_+'-]+(?:::skin-tone-[2-6])?:)/i).flatMap((part) => {
    if (part.length < 3 || !part.startsWith(":") || !part.endsWith(":")) return coloured(part);
    const name = part.slice(1, -1).toLowerCase();
    return glyphOf(name) ? [emojiNode(name)] : [part];
  });
}

/** Best matches first. @param {string} query @param {number} limit */
export function searchEmoji(query, limit) {
  const wanted = query.toLowerCase().replace(/^:|:$/g, "");
  const begins = all.filter(({ names }) => names.some((name) => name.startsWith(wanted)));
  const holds = wanted ? all.filter(({ names }) => names.some((name) => name.indexOf(wanted) > 0)) : [];
  return [...new Set([...begins, ...holds])].slice(0, limit);
}

const FAVOURITES = [
  "+1",
  "-1",
  "eyes",
  "white_check_mark",
  "tada",
  "pushpin",
  "pray",
  "heart",
  "fire",
  "rocket",
  "warning",
  "rotating_light",
  "thinking_face",
  "joy",
  "clap",
  "wave",
  "raised_hands",
  "100",
  "bulb",
  "hourglass_flowing_sand",
  "large_green_circle",
  "large_yellow_circle",
  "red_circle",
  "white_circle",
  "x",
  "question",
  "memo",
  "mag",
  "robot_face",
  "sparkles",
  "chart_with_upwards_trend",
  "bell",
];

/**
 * @param {HTMLElement} anchor
 * @param {(name: string) => void} choose
 */
export function openEmojiPicker(anchor, choose) {
  const listId = freshId("emoji-list");
  const grid = h("div", { class: "emoji-grid", id: listId, role: "group", "aria-label": "Emoji" });
  const search = h("input", {
    type: "search",
    class: "field",
    placeholder: "Search emoji",
    "aria-label": "Search emoji",
    "aria-controls": listId,
    autocomplete: "off",
  });
  const title = h("p", { class: "emoji-title" });
  const panel = h("div", { class: "emoji-picker" }, search, title, grid);
  const popover = openPopover(anchor, panel, { label: "Emoji picker", role: "dialog", focus: search });

  const show = () => {
    const wanted = search.value.trim();
    const found = wanted
      ? searchEmoji(wanted, 64)
      : [...FAVOURITES.map((name) => ({ names: [name], glyph: glyphOf(name) ?? "" })), ...all.slice(0, 120)];
    title.textContent = wanted ? (found.length ? "Search results" : "No emoji found") : "Frequently used";
    fill(
      grid,
      found.map(({ names, glyph }) =>
        h(
          "button",
          {
            type: "button",
            class: "emoji-choice",
            title: `:${names[0]}:`,
            "aria-label": names[0].replaceAll("_", " "),
            on: {
              click: () => {
                popover.close();
                choose(names[0]);
              },
            },
          },
          glyph,
        ),
      ),
    );
  };
  search.addEventListener("input", show);
  search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const first = /** @type {HTMLElement | null} */ (grid.querySelector("button"));
    if (event.key === "Enter" && first) {
      event.preventDefault();
      first.click();
    }
    if (event.key === "ArrowDown" && first) {
      event.preventDefault();
      first.focus();
    }
  });
  arrowKeys(grid, "button", { horizontal: true });
  show();
}
