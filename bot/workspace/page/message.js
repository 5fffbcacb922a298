/** One message: author, time, words or blocks, reactions, replies, and what one can do with it. */
import { post } from "./api.js";
import { contextFor, worded } from "./blocks/context.js";
import { fileRow } from "./blocks/media.js";
import { attachment, renderBlocks } from "./blocks/render.js";
import { fullTime, timeOf } from "./dates.js";
import { toast } from "./dialogs.js";
import { h, unseen } from "./dom.js";
import { emojiNode, glyphOf, openEmojiPicker } from "./emoji.js";
import { icon } from "./icons.js";
import { channelMention, dateNode, mrkdwn, plain } from "./mrkdwn.js";
import { authorOf, avatar, isFromApp, nameOf } from "./people.js";
import { openMenu } from "./popover.js";
import { openProfile } from "./profile.js";
import { goThread } from "./route.js";
import { appOf, appOfBot, store } from "./state.js";

/** @typedef {{grouped: boolean, inThread: boolean, root?: boolean}} Shape */

/** @param {string} channel @param {any} message @param {string} name */
async function toggleReaction(channel, message, name) {
  const mine = (message.reactions ?? []).some((/** @type {any} */ each) => each.name === name && each.users?.includes(store.me));
  const answer = await post("react", { channel, ts: message.ts, name, remove: mine });
  if (answer.ok === false) toast(worded(answer.error), "warning");
}

/** @param {string[]} users */
function reactedBy(users) {
  const names = users.map((user) => (user === store.me ? "You" : nameOf(user)));
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}` : (names[0] ?? "");
}

/** @param {string} channel @param {any} message */
function reactions(channel, message) {
  if (!message.reactions?.length) return null;
  return h(
    "div",
    { class: "reactions", role: "group", "aria-label": "Reactions" },
    message.reactions.map((/** @type {any} */ each) => {
      const mine = each.users?.includes(store.me) ?? false;
      const words = `${reactedBy(each.users ?? [])} reacted with :${each.name}:`;
      return h(
        "button",
        {
          type: "button",
          class: `reaction${mine ? " mine" : ""}`,
          title: words,
          "aria-pressed": String(mine),
          "aria-label": `${each.name.replaceAll("_", " ")} reaction, ${each.count}. ${words}`,
          on: { click: () => toggleReaction(channel, message, each.name) },
        },
        emojiNode(each.name),
        h("span", { class: "reaction-count" }, each.count),
      );
    }),
    h(
      "button",
      {
        type: "button",
        class: "reaction add",
        "aria-label": "Add reaction",
        title: "Add reaction",
        on: { click: (/** @type {any} */ event) => openEmojiPicker(event.currentTarget, (name) => toggleReaction(channel, message, name)) },
      },
      icon("smile"),
    ),
  );
}

/** @param {string} channel @param {any} message */
function replies(channel, message) {
  if (!message.reply_count) return null;
  const count = message.reply_count;
  return h(
    "button",
    { type: "button", class: "replies", on: { click: () => goThread(channel, message.ts) } },
    (message.reply_users ?? []).slice(0, 4).map((/** @type {string} */ user) => avatar(user, { size: "tiny" })),
    h("span", { class: "replies-count" }, `${count} ${count === 1 ? "reply" : "replies"}`),
    message.latest_reply ? h("span", { class: "replies-last" }, dateNode(Number(message.latest_reply), "Last reply {ago}", "")) : null,
  );
}

/** @param {string} channel @param {any} message @param {HTMLElement} anchor */
function moreActions(channel, message, anchor) {
  const shortcuts = store.apps.flatMap((app) =>
    (app.message_shortcuts ?? []).map((/** @type {any} */ shortcut) => ({
      label: shortcut.name,
      detail: app.name,
      icon: "bolt",
      run: async () => {
        const answer = await post("shortcut", { callback_id: shortcut.callback_id, channel, ts: message.ts, app_id: app.id });
        if (answer.ok === false) toast(worded(answer.error), "warning");
      },
    })),
  );
  const copy = {
    label: "Copy text",
    icon: "copy",
    run: async () => {
      try {
        await navigator.clipboard.writeText(anchor.closest(".message")?.querySelector(".content")?.innerText ?? plain(message.text));
        toast("Copied.");
      } catch {
        toast("This browser did not allow copying.", "warning");
      }
    },
  };
  openMenu(anchor, [...shortcuts, copy], { label: "More actions", alignEnd: true });
}

/** @param {string} channel @param {any} message @param {Shape} shape */
function toolbar(channel, message, shape) {
  const tool = (/** @type {string} */ label, /** @type {any} */ inside, /** @type {(anchor: HTMLElement) => void} */ run, extra = {}) =>
    h(
      "button",
      {
        type: "button",
        class: "icon-button tool",
        "aria-label": label,
        title: label,
        ...extra,
        on: { click: (/** @type {any} */ event) => run(event.currentTarget) },
      },
      inside,
    );
  if (message.is_ephemeral) return null;
  return h(
    "div",
    { class: "message-tools", role: "toolbar", "aria-label": "Message actions" },
    ["white_check_mark", "eyes", "+1"].map((name) =>
      tool(
        `React with ${name.replaceAll("_", " ")}`,
        h("span", { class: "emoji", "aria-hidden": "true" }, glyphOf(name)),
        () => toggleReaction(channel, message, name),
        { class: "icon-button tool quick" },
      ),
    ),
    tool("Add reaction", icon("smile"), (anchor) => openEmojiPicker(anchor, (name) => toggleReaction(channel, message, name))),
    shape.inThread ? null : tool("Reply in thread", icon("reply"), () => goThread(channel, message.thread_ts ?? message.ts)),
    tool("More actions", icon("more"), (anchor) => moreActions(channel, message, anchor), {
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    }),
  );
}

/** Words like "joined the channel", shown quietly. @param {any} message */
const isQuiet = (message) => /^(channel|group)_(join|leave|topic|purpose|name|archive|unarchive)$/.test(message.subtype ?? "");

/** @param {any} message @param {string} channel */
function content(message, channel) {
  const ctx = contextFor("message", { type: "message", channel, ts: message.ts, ...(message.is_ephemeral ? { ephemeral: true } : {}) });
  const edited = message.edited
    ? h("span", { class: "edited", title: message.edited.ts ? fullTime(Number(message.edited.ts)) : null }, " (edited)")
    : null;
  const words = message.blocks?.length
    ? renderBlocks(message.blocks, ctx)
    : message.text
      ? h("div", { class: `words${isQuiet(message) ? " quiet" : ""}` }, mrkdwn(message.text), edited)
      : null;
  return h(
    "div",
    { class: "content" },
    words,
    message.blocks?.length ? edited : null,
    (message.attachments ?? []).map((/** @type {any} */ each) => attachment(each, ctx)),
    message.files?.length ? h("div", { class: "files" }, message.files.map(fileRow)) : null,
  );
}

/** @param {string} channel @param {any} message @param {Shape} shape @returns {HTMLElement} */
export function messageNode(channel, message, shape) {
  const unix = Number(message.ts);
  const author = authorOf(message);
  const app = appOf(message.app_id) ?? appOfBot(message.user);
  const id = message.user ?? app?.bot_user_id ?? "";
  const fromApp = isFromApp(message);
  const time = (/** @type {string} */ className) =>
    h(
      "time",
      { class: className, datetime: new Date(unix * 1000).toISOString(), title: fullTime(unix) },
      className === "hover-time" ? timeOf(unix).replace(/\s?[AP]M$/, "") : timeOf(unix),
    );
  const picture = () => avatar(id, message.username ? { name: author, bot: true } : {});
  const head = shape.grouped
    ? unseen(`${author} at ${timeOf(unix)}: `)
    : h(
        "div",
        { class: "message-head" },
        id && !message.username
          ? h(
              "button",
              { type: "button", class: "author", on: { click: (/** @type {any} */ event) => openProfile(event.currentTarget, id) } },
              author,
            )
          : h("span", { class: "author" }, author),
        fromApp ? h("span", { class: "badge" }, "APP") : null,
        time("message-time"),
      );
  const node = h(
    "article",
    {
      class: `message${shape.grouped ? " grouped" : ""}${message.is_ephemeral ? " ephemeral" : ""}`,
      tabIndex: -1,
      data: { channel, ts: message.ts },
      "aria-label": `${author}, ${timeOf(unix)}${message.is_ephemeral ? ", only visible to you" : ""}`,
    },
    h("div", { class: "gutter", "aria-hidden": shape.grouped ? "true" : null }, shape.grouped ? time("hover-time") : picture()),
    h(
      "div",
      { class: "message-main" },
      message.is_ephemeral ? h("p", { class: "only-you" }, icon("eye"), "Only visible to you") : null,
      message.subtype === "thread_broadcast" && !shape.inThread
        ? h("p", { class: "only-you" }, icon("reply"), "replied to a thread in ", channelMention(channel))
        : null,
      head,
      content(message, channel),
      reactions(channel, message),
      shape.inThread ? null : replies(channel, message),
    ),
  );
  const equip = () => {
    node.removeEventListener("pointerenter", equip);
    node.removeEventListener("focusin", equip);
    const tools = toolbar(channel, message, shape);
    if (tools) node.append(tools);
  };
  node.addEventListener("pointerenter", equip);
  node.addEventListener("focusin", equip);
  return node;
}

/** Whether a message goes under its predecessor without a name of its own. @param {any} before @param {any} message */
export function belongsTo(before, message) {
  return (
    Boolean(before) &&
    before.user === message.user &&
    before.bot_id === message.bot_id &&
    before.username === message.username &&
    Number(message.ts) - Number(before.ts) < 300 &&
    Boolean(before.is_ephemeral) === Boolean(message.is_ephemeral) &&
    message.subtype !== "thread_broadcast" &&
    !isQuiet(before) &&
    !isQuiet(message)
  );
}
