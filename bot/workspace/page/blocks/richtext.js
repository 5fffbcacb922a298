/** Rich text blocks: sections, lists, quotes, preformatted, and every inline style. */
import { h } from "../dom.js";
import { emojiNode } from "../emoji.js";
import { broadcast, channelMention, dateNode, groupMention, link, userMention } from "../mrkdwn.js";

/** @param {any} node @param {any} style */
function styled(node, style) {
  let result = node;
  if (style?.code) result = h("code", null, result);
  if (style?.bold) result = h("strong", null, result);
  if (style?.italic) result = h("em", null, result);
  if (style?.strike) result = h("s", null, result);
  if (style?.underline) result = h("u", null, result);
  if (style?.highlight || style?.client_highlight) result = h("mark", null, result);
  return result;
}

/** @param {string} text */
const broken = (text) => text.split("\n").flatMap((line, at) => (at ? [h("br"), line] : [line]));

/** @param {any} piece @returns {any} */
function inlinePiece(piece) {
  switch (piece.type) {
    case "text":
      return styled(piece.style ? h("span", null, broken(piece.text ?? "")) : broken(piece.text ?? ""), piece.style);
    case "link":
      return styled(link((piece.url ?? "").replaceAll("&", "&amp;"), piece.text || piece.url), piece.style);
    case "emoji":
      return piece.unicode ? glyph(piece) : emojiNode(piece.name ?? "");
    case "user":
      return styled(userMention(piece.user_id), piece.style);
    case "channel":
      return styled(channelMention(piece.channel_id), piece.style);
    case "usergroup":
      return styled(groupMention(piece.usergroup_id), piece.style);
    case "broadcast":
      return styled(broadcast(piece.range), piece.style);
    case "date":
      return styled(dateNode(Number(piece.timestamp), piece.format ?? "", piece.fallback ?? "", piece.url), piece.style);
    case "color":
      return h("span", null, swatch(piece.value), piece.value);
    default:
      return piece.text ?? "";
  }
}

/** @param {any} piece */
function glyph(piece) {
  try {
    const text = String.fromCodePoint(...piece.unicode.split("-").map((/** @type {string} */ part) => parseInt(part, 16)));
    return h(
      "span",
      { class: "emoji", role: "img", "aria-label": `${piece.name.replaceAll("_", " ")} emoji`, title: `:${piece.name}:` },
      text,
    );
  } catch {
    return emojiNode(piece.name ?? "");
  }
}

/** @param {string} value */
function swatch(value) {
  const box = h("span", { class: "swatch", "aria-hidden": "true" });
  if (/^#[0-9a-f]{3,8}$/i.test(value)) box.style.backgroundColor = value;
  return box;
}

/** @param {any} part @returns {any} */
function partNode(part) {
  const inside = (part.elements ?? []).map(inlinePiece);
  switch (part.type) {
    case "rich_text_section":
      return h("div", { class: "rich-section" }, inside);
    case "rich_text_quote":
      return h("blockquote", null, inside);
    case "rich_text_preformatted":
      return h("pre", null, inside);
    case "rich_text_list": {
      const items = (part.elements ?? []).map((/** @type {any} */ item) => h("li", null, (item.elements ?? []).map(inlinePiece)));
      const list = h(
        part.style === "ordered" ? "ol" : "ul",
        {
          class: `rich-list level-${Math.min(part.indent ?? 0, 8)}${part.border ? " bordered" : ""}`,
          start: part.style === "ordered" && part.offset ? part.offset + 1 : null,
        },
        items,
      );
      return list;
    }
    default:
      return h("div", null, inside);
  }
}

/** @param {any} block */
export function richText(block) {
  return h("div", { class: "rich-text words" }, (block.elements ?? []).map(partNode));
}
