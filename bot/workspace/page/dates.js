/** Dates and times as Slack words them, always in the viewer's zone. */
import { viewerZone } from "./people.js";

const HALF_YEAR = 182 * 86400;

/** @param {number} unix seconds @param {Intl.DateTimeFormatOptions} options */
const format = (unix, options) => new Intl.DateTimeFormat("en-US", { timeZone: viewerZone(), ...options }).format(unix * 1000);

/** @param {number} day */
export function ordinal(day) {
  const tens = day % 100;
  if (tens >= 11 && tens <= 13) return `${day}th`;
  return `${day}${["th", "st", "nd", "rd"][day % 10] ?? "th"}`;
}

/** @param {number} unix @returns {{year: number, month: number, day: number, hour: number, minute: number, second: number}} */
export function partsOf(unix, zone = viewerZone()) {
  const pieces = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).formatToParts(unix * 1000);
  const read = (/** @type {string} */ type) => Number(pieces.find((piece) => piece.type === type)?.value);
  return { year: read("year"), month: read("month"), day: read("day"), hour: read("hour"), minute: read("minute"), second: read("second") };
}

/** The local calendar day as a number that can be subtracted. @param {number} unix */
export function dayNumber(unix) {
  const { year, month, day } = partsOf(unix);
  return Math.floor(Date.UTC(year, month - 1, day) / 86400000);
}

const now = () => Date.now() / 1000;

/** @param {number} unix @returns {"Today" | "Yesterday" | "Tomorrow" | null} */
function near(unix) {
  const away = dayNumber(unix) - dayNumber(now());
  return away === 0 ? "Today" : away === -1 ? "Yesterday" : away === 1 ? "Tomorrow" : null;
}

const yearTail = (/** @type {number} */ unix) => (Math.abs(unix - now()) < HALF_YEAR ? "" : `, ${partsOf(unix).year}`);
const monthDay = (/** @type {number} */ unix) => `${format(unix, { month: "long" })} ${ordinal(partsOf(unix).day)}`;
const dateLong = (/** @type {number} */ unix) => `${format(unix, { weekday: "long" })}, ${monthDay(unix)}${yearTail(unix)}`;
const dateShort = (/** @type {number} */ unix) => `${format(unix, { month: "short" })} ${partsOf(unix).day}${yearTail(unix)}`;

/** 9:05 AM. @param {number} unix */
export const timeOf = (unix) => format(unix, { hour: "numeric", minute: "2-digit" });

/** The words on a day divider. @param {number} unix */
export const dayTitle = (unix) => near(unix) ?? dateLong(unix);

/** Full date and time, for titles and screen readers. @param {number} unix */
export const fullTime = (unix) =>
  `${format(unix, { weekday: "long", year: "numeric", month: "long", day: "numeric" })} at ${format(unix, { hour: "numeric", minute: "2-digit", second: "2-digit" })}`;

/** How long ago, or how soon, in one unit. @param {number} unix */
export function ago(unix) {
  const seconds = Math.round(now() - unix);
  const size = Math.abs(seconds);
  const steps = /** @type {const} */ ([
    [60, 1, "second"],
    [3600, 60, "minute"],
    [86400, 3600, "hour"],
    [2592000, 86400, "day"],
    [31536000, 2592000, "month"],
    [Infinity, 31536000, "year"],
  ]);
  const [, unit, word] = /** @type {any} */ (steps.find(([limit]) => size < limit));
  const count = Math.floor(size / unit);
  const amount = `${count} ${word}${count === 1 ? "" : "s"}`;
  if (size < 5) return "just now";
  return seconds >= 0 ? `${amount} ago` : `in ${amount}`;
}

/**
 * Replace Slack's date tokens. "today" and its kin are lower case inside a sentence, as in Slack.
 * @param {number} unix @param {string} template @returns {string | null} null where a token is not Slack's
 */
export function formatDate(unix, template) {
  if (!Number.isFinite(unix)) return null;
  let known = true;
  const words = template.replace(/\{([a-z_]+)\}/g, (whole, token, at) => {
    const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
    const { year, month, day } = partsOf(unix);
    const pretty = (/** @type {string} */ otherwise) => {
      const word = near(unix);
      return word ? (at === 0 ? word : word.toLowerCase()) : otherwise;
    };
    switch (token) {
      case "date_num":
        return `${year}-${two(month)}-${two(day)}`;
      case "date_slash":
        return `${two(month)}/${two(day)}/${year}`;
      case "date":
        return monthDay(unix) + yearTail(unix);
      case "date_long_full":
        return `${format(unix, { month: "long" })} ${day}, ${year}`;
      case "date_short":
        return dateShort(unix);
      case "date_long":
        return dateLong(unix);
      case "date_pretty":
        return pretty(monthDay(unix) + yearTail(unix));
      case "date_short_pretty":
        return pretty(dateShort(unix));
      case "date_long_pretty":
      case "day_divider_pretty":
        return pretty(dateLong(unix));
      case "time":
        return timeOf(unix);
      case "time_secs":
        return format(unix, { hour: "numeric", minute: "2-digit", second: "2-digit" });
      case "ago":
        return ago(unix);
      default:
        known = false;
        return whole;
    }
  });
  return known ? words : null;
}

/** Seconds since 1970 of a wall-clock time in the viewer's zone. @param {string} local "YYYY-MM-DDTHH:MM" @returns {number | null} */
export function unixOfLocal(local) {
  const match = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})/.exec(local);
  if (!match) return null;
  const [year, month, day, hour, minute] = match.slice(1).map(Number);
  const wanted = Date.UTC(year, month - 1, day, hour, minute) / 1000;
  let unix = wanted;
  for (let round = 0; round < 2; round += 1) {
    const seen = partsOf(unix);
    unix += wanted - Date.UTC(seen.year, seen.month - 1, seen.day, seen.hour, seen.minute) / 1000;
  }
  return unix;
}

/** The other way round, for an input of type datetime-local. @param {number} unix */
export function localOfUnix(unix) {
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const { year, month, day, hour, minute } = partsOf(unix);
  return `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}`;
}
