/** The header of a conversation or an app, and the words with which a conversation begins. */
import { post } from "./api.js";
import { worded } from "./blocks/context.js";
import { toast } from "./dialogs.js";
import { arrowKeys, h } from "./dom.js";
import { icon } from "./icons.js";
import { inline, plainWords } from "./mrkdwn.js";
import { avatar, channelName, nameOf } from "./people.js";
import { openMenu } from "./popover.js";
import { openProfile, writeTo } from "./profile.js";
import { goApp } from "./route.js";
import { appOfBot, setChannel, store } from "./state.js";

/** @param {any} channel @param {HTMLElement} anchor */
function members(channel, anchor) {
  const ids = channel.member_ids ?? [];
  const people = ids.map((/** @type {string} */ id) => ({
    label: nameOf(id),
    detail: store.people.get(id)?.title ?? (appOfBot(id) ? "App" : ""),
    run: () => {
      if (id !== store.me) writeTo(id);
    },
  }));
  const leave =
    channel.kind === "channel" && channel.is_member
      ? [
          {
            label: `Leave #${channel.name}`,
            danger: true,
            run: async () => {
              const answer = await post("leave", { channel: channel.id });
              if (answer.ok === false) toast(worded(answer.error), "warning");
              else setChannel({ id: channel.id, is_member: false });
            },
          },
        ]
      : [];
  openMenu(anchor, [{ label: `${ids.length} member${ids.length === 1 ? "" : "s"}`, heading: true }, ...people, ...leave], {
    label: "Members",
    alignEnd: true,
  });
}

/** @param {any} app @param {"home" | "messages"} tab */
function tabs(app, tab) {
  const names = /** @type {const} */ ([...(app.has_home ? [["home", "Home"]] : []), ["messages", "Messages"]]);
  const bar = h(
    "div",
    { class: "tabs", role: "tablist", "aria-label": `${app.name} tabs` },
    names.map(([id, label]) =>
      h(
        "button",
        {
          type: "button",
          class: "tab",
          role: "tab",
          id: `tab-${id}`,
          "aria-selected": String(id === tab),
          "aria-controls": "tab-panel",
          tabIndex: id === tab ? 0 : -1,
          on: { click: () => goApp(app.id, /** @type {any} */ (id)) },
        },
        label,
      ),
    ),
  );
  arrowKeys(bar, ".tab", { horizontal: true });
  return bar;
}

/** @param {any} channel */
export function header(channel) {
  const app = channel.kind === "im" ? appOfBot(channel.with) : null;
  if (app) return appHeader(app, "messages");
  const title =
    channel.kind === "im"
      ? h(
          "button",
          {
            type: "button",
            class: "head-person",
            on: { click: (/** @type {any} */ event) => openProfile(event.currentTarget, channel.with) },
          },
          avatar(channel.with, { size: "small" }),
          channelName(channel),
        )
      : [icon(channel.kind === "private" ? "lock" : "hash"), h("span", { class: "head-words", title: channel.name }, channel.name)];
  const topic = channel.kind === "im" ? store.people.get(channel.with)?.title : channel.topic || channel.purpose;
  return h(
    "header",
    { class: "head" },
    h("h1", { class: "head-title" }, title),
    topic ? h("p", { class: "head-topic", title: plainWords(topic) }, inline(topic)) : h("span", { class: "head-topic" }),
    channel.kind === "im"
      ? null
      : h(
          "button",
          {
            type: "button",
            class: "members",
            "aria-haspopup": "menu",
            "aria-expanded": "false",
            "aria-label": `${channel.member_ids?.length ?? 0} members`,
            on: { click: (/** @type {any} */ event) => members(channel, event.currentTarget) },
          },
          (channel.member_ids ?? []).slice(0, 3).map((/** @type {string} */ id) => avatar(id, { size: "tiny" })),
          h("span", null, channel.member_ids?.length ?? 0),
        ),
  );
}

/** @param {any} app @param {"home" | "messages"} tab */
export function appHeader(app, tab) {
  return h(
    "header",
    { class: "head with-tabs" },
    h(
      "div",
      { class: "head-row" },
      h(
        "h1",
        { class: "head-title" },
        avatar(app.bot_user_id, { size: "small", bot: true }),
        app.name,
        h("span", { class: "badge" }, "APP"),
      ),
    ),
    tabs(app, tab),
  );
}

/** @param {any} channel */
export function introduction(channel) {
  if (channel.kind === "im") {
    const app = appOfBot(channel.with);
    return [
      avatar(channel.with, { size: "large" }),
      h("h2", null, channelName(channel)),
      h(
        "p",
        null,
        app
          ? `This is the start of your conversation with ${app.name}. It answers here as it would in Slack.`
          : `This conversation is just between you and ${channelName(channel)}.`,
      ),
    ];
  }
  return [
    h("span", { class: "intro-mark", "aria-hidden": "true" }, icon(channel.kind === "private" ? "lock" : "hash")),
    h("h2", null, channel.name),
    h("p", null, channel.purpose || `This is the very beginning of the ${channel.name} channel.`),
  ];
}
