/** Channels, direct messages and apps, with what is unread. */
import { post } from "./api.js";
import { worded } from "./blocks/context.js";
import { toast } from "./dialogs.js";
import { arrowKeys, fill, h, unseen } from "./dom.js";
import { icon } from "./icons.js";
import { plainWords } from "./mrkdwn.js";
import { avatar, channelName, nameOf } from "./people.js";
import { openMenu } from "./popover.js";
import { go, goApp, route } from "./route.js";
import { appOfBot, setChannel, store } from "./state.js";

/** @type {Map<string, boolean>} */
const folded = new Map();

/** @param {{label: string, picture: any, unread: number, mentions: number, current: boolean, extra?: string, open: () => void}} row */
function rowNode(row) {
  const words = row.mentions ? `, ${row.mentions} mention${row.mentions === 1 ? "" : "s"}` : row.unread ? ", unread" : "";
  return h(
    "li",
    null,
    h(
      "button",
      {
        type: "button",
        class: `row${row.current ? " current" : ""}${row.unread || row.mentions ? " unread" : ""}`,
        "aria-current": row.current ? "page" : null,
        title: row.label,
        on: { click: row.open },
      },
      h("span", { class: "row-picture", "aria-hidden": "true" }, row.picture),
      h("span", { class: "row-name" }, row.label),
      row.extra ? h("span", { class: "row-extra" }, row.extra) : null,
      unseen(words),
      row.mentions ? h("span", { class: "row-badge", "aria-hidden": "true" }, row.mentions > 99 ? "99+" : row.mentions) : null,
    ),
  );
}

/** @param {string} name @param {any[]} rows @param {() => void} repaint @param {any} [tail] */
function section(name, rows, repaint, tail) {
  const closed = folded.get(name) ?? false;
  return h(
    "section",
    { class: "side-section" },
    h(
      "h2",
      null,
      h(
        "button",
        {
          type: "button",
          class: "side-head",
          "aria-expanded": String(!closed),
          on: {
            click: () => {
              folded.set(name, !closed);
              repaint();
            },
          },
        },
        icon("down"),
        name,
      ),
    ),
    closed ? null : h("ul", { role: "list" }, rows, tail ? h("li", null, tail) : null),
  );
}

/** Public channels one is not in. @param {HTMLElement} anchor */
function browse(anchor) {
  const others = [...store.channels.values()].filter((channel) => channel.kind === "channel" && !channel.is_member);
  openMenu(
    anchor,
    others.length
      ? others
          .sort((a, b) => a.name.localeCompare(b.name))
          .map((channel) => ({
            label: `#${channel.name}`,
            detail: plainWords(channel.topic || channel.purpose || ""),
            run: async () => {
              const answer = await post("join", { channel: channel.id });
              if (answer.ok === false) {
                toast(worded(answer.error), "warning");
                return;
              }
              setChannel({ id: channel.id, is_member: true });
              go(channel.id);
            },
          }))
      : [{ label: "You are in every channel there is", heading: true }],
    { label: "Join a channel" },
  );
}

export function sidebar() {
  const place = /** @type {HTMLElement} */ (document.getElementById("sidebar"));
  arrowKeys(place, ".row, .side-head");
  const byName = (/** @type {any} */ a, /** @type {any} */ b) => channelName(a).localeCompare(channelName(b));
  const paint = () => {
    const here = route();
    const focused = place.contains(document.activeElement) ? document.activeElement?.textContent : null;
    const all = [...store.channels.values()];
    const channels = all.filter((channel) => channel.kind !== "im" && (channel.is_member || channel.id === here.channel)).sort(byName);
    const direct = all.filter((channel) => channel.kind === "im" && !appOfBot(channel.with)).sort(byName);
    fill(
      place,
      h(
        "div",
        { class: "team" },
        h("span", { class: "team-mark", "aria-hidden": "true" }, (store.team.name || "W").slice(0, 1)),
        h(
          "div",
          { class: "team-words" },
          h("p", { class: "team-name" }, store.team.name),
          h("p", { class: "team-note" }, "on this machine only"),
        ),
      ),
      h(
        "div",
        { class: "side-scroll" },
        section(
          "Channels",
          channels.map((channel) =>
            rowNode({
              label: channel.name,
              picture: icon(channel.kind === "private" ? "lock" : "hash"),
              unread: channel.unread ?? 0,
              mentions: channel.mention_count ?? 0,
              current: here.channel === channel.id,
              open: () => go(channel.id),
            }),
          ),
          paint,
          h(
            "button",
            {
              type: "button",
              class: "row quiet",
              "aria-haspopup": "menu",
              "aria-expanded": "false",
              on: { click: (/** @type {any} */ event) => browse(event.currentTarget) },
            },
            h("span", { class: "row-picture plus", "aria-hidden": "true" }, "+"),
            h("span", { class: "row-name" }, "Join a channel"),
          ),
        ),
        section(
          "Direct messages",
          direct.map((channel) =>
            rowNode({
              label: channelName(channel),
              picture: avatar(channel.with, { size: "tiny" }),
              unread: channel.unread ?? 0,
              mentions: channel.mention_count || channel.unread || 0,
              current: here.channel === channel.id,
              extra: channel.with === store.me ? "you" : undefined,
              open: () => go(channel.id),
            }),
          ),
          paint,
        ),
        section(
          "Apps",
          store.apps.map((app) => {
            const channel = all.find((each) => each.kind === "im" && each.with === app.bot_user_id);
            return rowNode({
              label: app.name ?? nameOf(app.bot_user_id),
              picture: avatar(app.bot_user_id, { size: "tiny", bot: true }),
              unread: channel?.unread ?? 0,
              mentions: channel?.mention_count || channel?.unread || 0,
              current: here.app === app.id || Boolean(channel && here.channel === channel.id),
              open: () => goApp(app.id, channel?.unread || !app.has_home ? "messages" : "home"),
            });
          }),
          paint,
        ),
      ),
      store.demo ? h("p", { class: "side-note" }, icon("info"), "The history here is synthetic.") : null,
    );
    if (focused)
      /** @type {HTMLElement | undefined} */ ([...place.querySelectorAll("button")].find((each) => each.textContent === focused))?.focus({
        preventScroll: true,
      });
  };
  return { paint };
}
