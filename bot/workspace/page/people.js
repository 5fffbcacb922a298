/** Names, avatars and badges of people and apps. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { appOfBot, channelOf, person, store } from "./state.js";

const COLOURS = 10;

/** @param {string} text */
function hash(text) {
  let sum = 7;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 99991;
  return sum;
}

/** @param {string} id @returns {string} */
export function nameOf(id) {
  const known = person(id);
  return known ? known.display_name || known.real_name || known.name : (appOfBot(id)?.name ?? "Someone who left");
}

/** Who wrote a message, in words. @param {any} message @returns {string} */
export function authorOf(message) {
  if (message.username) return message.username;
  if (message.user) return nameOf(message.user);
  return store.apps.find((app) => app.id === message.app_id)?.name ?? "App";
}

/** @param {string} name */
export function initialsOf(name) {
  const parts = name
    .trim()
    .split(/[\s._-]+/)
    .filter(Boolean);
  const letters = parts.length > 1 ? [parts[0], parts[parts.length - 1]] : parts;
  return (
    letters
      .map((part) => [...part][0])
      .join("")
      .toUpperCase() || "?"
  );
}

/** @param {any} message */
export const isFromApp = (message) => Boolean(message.bot_id || message.app_id || person(message.user)?.is_bot);

/**
 * A coloured square with initials; decoration, because the name always stands beside it.
 * @param {string} id @param {{name?: string, size?: "small" | "tiny" | "large", bot?: boolean}} [options]
 */
export function avatar(id, options = {}) {
  const known = person(id);
  const name = options.name ?? nameOf(id);
  const bot = options.bot ?? known?.is_bot ?? false;
  const square = h(
    "span",
    {
      class: `avatar ${options.size ?? "normal"}${bot ? " bot" : ""}`,
      "aria-hidden": "true",
      data: { colour: hash(id || name) % COLOURS },
    },
    bot && !known?.initials ? icon("bolt") : known?.initials && !options.name ? known.initials : initialsOf(name),
  );
  if (/^#[0-9a-f]{6}$/i.test(known?.color ?? "") && !bot) square.style.backgroundColor = readable(known.color);
  return square;
}

/** Darken a colour until white letters on it can be read. @param {string} colour */
function readable(colour) {
  let parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const light = (/** @type {number[]} */ rgb) => {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (let step = 0; step < 20 && 1.05 / (light(parts) + 0.05) < 4.6; step += 1) parts = parts.map((part) => Math.round(part * 0.92));
  return `rgb(${parts.join(" ")})`;
}

/** The title of a conversation as the viewer reads it. @param {any} channel @returns {string} */
export function channelName(channel) {
  if (!channel) return "unknown channel";
  if (channel.kind === "im") return nameOf(channel.with);
  return channel.name;
}

/** @param {string} id */
export const channelLabel = (id) => channelName(channelOf(id));

/** @returns {any[]} people one can look as or write to */
export const humans = () => [...store.people.values()].filter((each) => !each.is_bot && !each.deleted);

/** @param {any} someone */
export function kindOfPerson(someone) {
  if (someone.is_stranger) return "from another company";
  if (someone.is_ultra_restricted) return "single-channel guest";
  if (someone.is_restricted) return "guest";
  return "";
}

/** The zone in which times are shown: the viewer's in Slack, else the browser's. */
export function viewerZone() {
  const zone = person(store.me)?.tz;
  try {
    if (zone) new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone || undefined;
  } catch {
    return undefined;
  }
}
