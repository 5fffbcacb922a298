/** Slack's mrkdwn as DOM nodes. Text enters as text: there is no way from here to markup. */
import { formatDate, fullTime } from "./dates.js";
import { h } from "./dom.js";
import { withEmoji } from "./emoji.js";
import { channelName, nameOf } from "./people.js";
import { channelOf, store } from "./state.js";

/** @param {string} text */
export const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

const SAFE = /^(https?:|mailto:|tel:)/i;

/** A link where the address is harmless, plain words otherwise. @param {string} url @param {any} label */
export function link(url, label) {
  const address = unescape(url).trim();
  if (!SAFE.test(address)) return h("span", null, label);
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label);
}

/** @param {string} id */
export function userMention(id) {
  const mine = id === store.me;
  return h("span", { class: `mention${mine ? " mine" : ""}`, data: { user: id } }, `@${nameOf(id)}`);
}

/** @param {string} id @param {string} [label] */
export function channelMention(id, label) {
  const channel = channelOf(id);
  const words = channel ? channelName(channel) : label || "a private channel";
  if (!channel) return h("span", { class: "mention" }, `#${words}`);
  return h("a", { class: "mention", href: `#/${id}` }, `#${words}`);
}

/** @param {string} id @param {string} [label] */
export function groupMention(id, label) {
  const group = store.usergroups.find((each) => each.id === id);
  const mine = group?.users?.includes(store.me);
  return h("span", { class: `mention${mine ? " mine" : ""}` }, group ? `@${group.handle}` : label || "@group");
}

/** @param {string} range */
export const broadcast = (range) => h("span", { class: "mention mine" }, `@${range}`);

/** @param {number} unix @param {string} template @param {string} fallback @param {string} [url] */
export function dateNode(unix, template, fallback, url) {
  const words = formatDate(unix, template) ?? fallback;
  const moves = /\{(ago|\w*pretty)\}/.test(template);
  const time = h(
    "time",
    Number.isFinite(unix)
      ? { datetime: new Date(unix * 1000).toISOString(), title: fullTime(unix), data: moves ? { unix: String(unix), template } : {} }
      : null,
    words,
  );
  return url ? link(url, time) : time;
}

/** "5 minutes ago" and "today" do not stay true: write them again. */
export function refreshDates() {
  for (const time of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("time[data-template]"))) {
    const words = formatDate(Number(time.dataset.unix), time.dataset.template ?? "");
    if (words && words !== time.textContent) time.textContent = words;
  }
}

/** One `<...>`. @param {string} inside */
function entity(inside) {
  const bar = inside.indexOf("|");
  const target = bar >= 0 ? inside.slice(0, bar) : inside;
  const label = bar >= 0 ? inside.slice(bar + 1) : "";
  if (/^@[UWB][A-Z0-9]+$/.test(target)) return userMention(target.slice(1));
  if (/^#[CGD][A-Z0-9]+$/.test(target)) return channelMention(target.slice(1), unescape(label));
  if (target.startsWith("!subteam^")) return groupMention(target.slice(9), unescape(label));
  if (/^!(here|channel|everyone)$/.test(target)) return broadcast(target.slice(1));
  if (target.startsWith("!date^")) {
    const [, unix, template = "", url] = target.split("^");
    return dateNode(Number(unix), unescape(template), unescape(label), url);
  }
  if (target.startsWith("!")) return h("span", null, unescape(label || target.slice(1)));
  if (SAFE.test(unescape(target))) return link(target, label ? withEmoji(unescape(label)) : unescape(target));
  return h("span", null, unescape(`<${inside}>`));
}

/** @type {Record<string, string>} */
const TAGS = { "*": "strong", _: "em", "~": "s" };
const WORD = /[\p{L}\p{N}]/u;

/** Where a styled run that opens at `at` ends, or -1. @param {string} text @param {number} at */
function closing(text, at) {
  const mark = text[at];
  const before = text[at - 1] ?? " ";
  const next = text[at + 1] ?? " ";
  if (WORD.test(before) || /\s/.test(next) || next === mark) return -1;
  for (let end = at + 1; end < text.length && text[end] !== "\n"; end += 1) {
    if (text[end] === "<") {
      const close = text.indexOf(">", end);
      if (close > 0) {
        end = close;
        continue;
      }
    }
    if (text[end] === "`") {
      const close = text.indexOf("`", end + 1);
      if (close > 0) {
        end = close;
        continue;
      }
    }
    if (text[end] === mark && !/\s/.test(text[end - 1]) && end > at + 1 && !WORD.test(text[end + 1] ?? " ")) return end;
  }
  return -1;
}

/** One run of text without quotes or fences. @param {string} text @returns {any[]} */
export function inline(text) {
  /** @type {any[]} */
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(...withEmoji(unescape(plain)));
    plain = "";
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === "\n") {
      flush();
      nodes.push(h("br"));
      continue;
    }
    if (character === "<") {
      const end = text.indexOf(">", at);
      if (end > at + 1 && !text.slice(at + 1, end).includes("\n")) {
        flush();
        nodes.push(entity(text.slice(at + 1, end)));
        at = end;
        continue;
      }
    }
    if (character === "`") {
      const end = text.indexOf("`", at + 1);
      if (end > at + 1 && !text.slice(at, end).includes("\n")) {
        flush();
        nodes.push(h("code", null, codeText(text.slice(at + 1, end))));
        at = end;
        continue;
      }
    }
    if (character in TAGS) {
      const end = closing(text, at);
      if (end > 0) {
        flush();
        nodes.push(h(TAGS[character], null, inline(text.slice(at + 1, end))));
        at = end;
        continue;
      }
    }
    plain += character;
  }
  flush();
  return nodes;
}

/** Inside code only links and escapes mean something. @param {string} text */
function codeText(text) {
  return text
    .split(/(<(?:https?|mailto):[^>\n]+>)/)
    .map((part) => (/^<(https?|mailto):/.test(part) ? entity(part.slice(1, -1)) : unescape(part)));
}

/** Quotes, then runs. @param {string} text @returns {any[]} */
function paragraphs(text) {
  /** @type {any[]} */
  const nodes = [];
  /** @type {string[]} */
  let lines = [];
  let quoted = false;
  const flush = () => {
    if (lines.length) nodes.push(quoted ? h("blockquote", null, inline(lines.join("\n"))) : inline(lines.join("\n")));
    lines = [];
  };
  const all = text.split("\n");
  for (let at = 0; at < all.length; at += 1) {
    if (/^(&gt;|>){3}/.test(all[at])) {
      flush();
      const rest = [all[at].replace(/^(&gt;|>){3} ?/, ""), ...all.slice(at + 1)];
      nodes.push(h("blockquote", null, inline(rest.join("\n"))));
      return nodes;
    }
    const quote = /^(&gt;|>) ?/.exec(all[at]);
    if (Boolean(quote) !== quoted) {
      flush();
      quoted = Boolean(quote);
    }
    lines.push(quote ? all[at].slice(quote[0].length) : all[at]);
  }
  flush();
  return nodes;
}

/** A whole mrkdwn text. @param {string} text @returns {any[]} */
export function mrkdwn(text) {
  return text.split(/```(?:\n)?([\s\S]+?)```\n?/).map((part, at) => {
    if (at % 2) return h("pre", null, codeText(part.replace(/\n$/, "")));
    return part ? paragraphs(part) : null;
  });
}

/** A Slack text object. @param {any} object @returns {any} */
export function textObject(object) {
  if (object === null || object === undefined) return "";
  if (typeof object === "string") return withEmoji(object);
  return object.type === "mrkdwn" ? mrkdwn(object.text ?? "") : object.emoji === false ? object.text : lines(object.text ?? "");
}

/** Plain text with emoji, its line breaks kept. @param {string} text */
function lines(text) {
  return text.split("\n").flatMap((line, at) => (at ? [h("br"), ...withEmoji(line)] : withEmoji(line)));
}

/** A mrkdwn line without its marks, for places that hold only words. @param {string} text @returns {string} */
export const plainWords = (text) => h("span", null, inline(text)).textContent;

/** The words of a text, for labels and notifications. @param {any} object @returns {string} */
export function plain(object) {
  const text = typeof object === "string" ? object : (object?.text ?? "");
  return text.replace(/:([a-z0-9_+-]+):/g, (/** @type {string} */ whole) =>
    withEmoji(whole)
      .map((part) => (typeof part === "string" ? part : part.textContent))
      .join(""),
  );
}
