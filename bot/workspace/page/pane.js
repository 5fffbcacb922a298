/** The middle of the page: a conversation with its header and message box, or an app with its tabs. */
import { post } from "./api.js";
import { contextFor, worded } from "./blocks/context.js";
import { renderBlocks } from "./blocks/render.js";
import { composer } from "./composer.js";
import { toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { appHeader, header, introduction } from "./head.js";
import { messageList } from "./messages.js";
import { channelName } from "./people.js";
import { go, goApp } from "./route.js";
import { appOf, appOfBot, channelOf, conversation, loadHistory, on, setChannel, store } from "./state.js";
import { welcomeCard } from "./welcome.js";

const main = () => /** @type {HTMLElement} */ (document.getElementById("main"));

/** @type {{channel: string, update: (news?: any) => void, paintHead: () => void, focus: () => void} | null} */
let shown = null;

/** @param {any} channel */
function joinBar(channel) {
  return h(
    "div",
    { class: "join" },
    h("p", null, "You are looking at ", h("strong", null, `#${channel.name}`)),
    h(
      "button",
      {
        type: "button",
        class: "button filled primary",
        on: {
          click: async () => {
            const answer = await post("join", { channel: channel.id });
            if (answer.ok === false) {
              toast(worded(answer.error), "warning");
              return;
            }
            setChannel({ id: channel.id, is_member: true });
            shown = null;
            showChannel(channel.id);
          },
        },
      },
      "Join channel",
    ),
  );
}

let reading = false;

/** Say that the newest was seen, when it was. @param {string} id */
async function markRead(id) {
  const channel = channelOf(id);
  if (reading || document.hidden || !channel || !(channel.unread || channel.mention_count)) return;
  reading = true;
  setChannel({ id, unread: 0, mention_count: 0 });
  await post("read", { channel: id });
  reading = false;
}

/** @param {string} id */
export async function showChannel(id) {
  if (shown?.channel === id) {
    shown.paintHead();
    return;
  }
  const channel = channelOf(id);
  const place = main();
  if (!channel) {
    shown = null;
    fill(
      place,
      h(
        "div",
        { class: "empty" },
        h("h1", null, "This conversation is not here"),
        h("p", null, "It may belong to someone else. Pick another one on the left."),
      ),
    );
    return;
  }
  const unread = channel.unread ?? 0;
  const app = channel.kind === "im" ? appOfBot(channel.with) : null;
  const label = channel.kind === "im" ? channelName(channel) : `#${channel.name}`;
  const list = messageList({
    channel: id,
    inThread: false,
    label: `Messages in ${label}`,
    older: () => loadHistory(id, true).catch(() => undefined),
    top: () => introduction(channelOf(id)),
  });
  const box =
    channel.is_member === false && channel.kind !== "im"
      ? null
      : composer({ channel: id, placeholder: `Message ${label}`, sent: () => list.toEnd() });
  let head = header(channel);
  const panel = h(
    "div",
    { class: "pane-body", id: "tab-panel", role: app ? "tabpanel" : null, "aria-labelledby": app ? "tab-messages" : null },
    list.node,
    box ? box.node : joinBar(channel),
  );
  fill(place, welcomeCard(), head, panel);
  const view = (shown = {
    channel: id,
    update: (/** @type {any} */ news = {}) => {
      const known = conversation(id);
      list.update(known.messages, {
        hasMore: known.hasMore,
        arrived: Boolean(news.fresh && news.message && (!news.message.thread_ts || news.message.thread_ts === news.message.ts)),
      });
      if (list.isAtEnd()) markRead(id);
    },
    paintHead: () => {
      const next = header(channelOf(id));
      head.replaceWith(next);
      head = next;
    },
    focus: () => box?.focus(),
  });
  document.title = `${label} · ${store.team.name}`;
  if (matchMedia("(min-width: 700px)").matches) box?.focus();
  try {
    if (!conversation(id).loaded) await loadHistory(id);
    if (shown !== view) return;
    if (unread) {
      const others = conversation(id).messages.filter((message) => message.user !== store.me && !message.is_ephemeral);
      list.markNew(others[Math.max(0, others.length - unread)]?.ts ?? "");
    }
    view.update();
    list.toEnd();
    markRead(id);
  } catch {
    if (shown === view)
      fill(
        list.node,
        h("div", { class: "empty" }, h("p", null, "These messages could not be read; the page tries again when the server is back.")),
      );
  }
}

/** @param {string} id @param {"home" | "messages"} tab */
export async function showApp(id, tab) {
  const app = appOf(id);
  if (!app) {
    showChannel("");
    return;
  }
  if (tab === "messages" || !app.has_home) {
    const known = [...store.channels.values()].find((channel) => channel.kind === "im" && channel.with === app.bot_user_id);
    if (known) {
      showChannel(known.id);
      return;
    }
    const answer = await post("open_im", { user: app.bot_user_id });
    if (!answer.channel) {
      toast(worded(answer.error), "warning");
      return;
    }
    const channel = typeof answer.channel === "string" ? { id: answer.channel } : answer.channel;
    setChannel({
      kind: "im",
      with: app.bot_user_id,
      unread: 0,
      mention_count: 0,
      is_member: true,
      member_ids: [store.me, app.bot_user_id],
      ...channel,
    });
    showChannel(channel.id);
    return;
  }
  shown = null;
  document.title = `${app.name} · ${store.team.name}`;
  fill(
    main(),
    welcomeCard(),
    appHeader(app, "home"),
    h(
      "div",
      { class: "home", id: "tab-panel", role: "tabpanel", "aria-labelledby": "tab-home", tabIndex: 0, data: { app: id } },
      h("p", { class: "starting" }, "Opening Home…"),
    ),
  );
  paintHome(id);
  const answer = await post("home", { app_id: id });
  if (answer.view) store.homes.set(id, answer.view);
  paintHome(id, answer.ok === false ? worded(answer.error) : "");
}

/** @param {string} id @param {string} [error] */
function paintHome(id, error) {
  const place = /** @type {HTMLElement | null} */ (document.querySelector(`.home[data-app="${CSS.escape(id)}"]`));
  if (!place) return;
  const view = store.homes.get(id);
  if (!view) {
    if (error !== undefined)
      fill(
        place,
        h(
          "div",
          { class: "empty" },
          h("h2", null, "Nothing here yet"),
          h("p", null, error || `${appOf(id)?.name ?? "The app"} has not published a Home for you.`),
        ),
      );
    return;
  }
  const key = document.activeElement?.closest(".home [data-key]")?.getAttribute("data-key");
  const scroll = place.scrollTop;
  place.dataset.view = view.id;
  fill(place, h("div", { class: "home-blocks" }, renderBlocks(view.blocks ?? [], contextFor("home", { type: "view", view_id: view.id }))));
  place.scrollTop = scroll;
  if (key)
    /** @type {HTMLElement | null} */ (place.querySelector(`[data-key="${CSS.escape(key)}"] :is(button, input, textarea, a)`))?.focus({
      preventScroll: true,
    });
}

/** Follow what happens. */
export function startPane() {
  on("conversation", (news) => {
    if (shown?.channel === news.channel) shown?.update(news);
  });
  on("channels", () => shown?.paintHead());
  on("home", (event) => paintHome(event.app_id));
  on("state", () => {
    shown = null;
  });
  document.addEventListener("visibilitychange", () => {
    if (shown) markRead(shown.channel);
  });
}

/** The channel to begin with. @returns {void} */
export function openFirst() {
  const all = [...store.channels.values()].filter((channel) => channel.kind !== "im" && channel.is_member);
  const first = all.sort(
    (a, b) =>
      (b.mention_count ?? 0) - (a.mention_count ?? 0) ||
      (b.unread ?? 0) - (a.unread ?? 0) ||
      String(b.last_ts ?? "").localeCompare(String(a.last_ts ?? "")),
  )[0];
  if (first) go(first.id);
  else if (store.apps[0]) goApp(store.apps[0].id, "home");
}
