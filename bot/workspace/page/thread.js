/** The thread beside a conversation. */
import { composer } from "./composer.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { messageList } from "./messages.js";
import { channelName } from "./people.js";
import { appOfBot, channelOf, loadThread, on, threadOf } from "./state.js";

/** @type {{channel: string, ts: string, update: (news?: any) => void} | null} */
let shown = null;
/** @type {Element | null} */
let opener = null;

const place = () => /** @type {HTMLElement} */ (document.getElementById("thread"));

/** @param {string} channel @param {string} ts @param {() => void} close */
export async function showThread(channel, ts, close) {
  if (shown?.channel === channel && shown.ts === ts) return;
  if (!shown) opener = document.activeElement;
  const pane = place();
  const list = messageList({ channel, inThread: true, label: "Thread" });
  const box = composer({ channel, thread: ts, placeholder: "Reply…", sent: () => list.toEnd() });
  const view = (shown = {
    channel,
    ts,
    update: (/** @type {any} */ news = {}) => list.update(threadOf(channel, ts) ?? [], { arrived: Boolean(news.fresh) }),
  });
  const where = channelOf(channel);
  const name = where ? (where.kind === "im" ? channelName(where) : `#${where.name}`) : "";
  pane.hidden = false;
  document.getElementById("app")?.classList.add("with-thread");
  fill(
    pane,
    h(
      "header",
      { class: "head thread-head" },
      h("h2", { class: "head-title" }, "Thread"),
      h("p", { class: "head-topic" }, where?.kind === "im" && appOfBot(where.with) ? appOfBot(where.with).name : name),
      h("button", { type: "button", class: "icon-button", "aria-label": "Close thread", on: { click: close } }, icon("close")),
    ),
    list.node,
    box.node,
  );
  try {
    await loadThread(channel, ts);
    if (shown !== view) return;
    view.update();
    list.toEnd();
    box.focus();
  } catch {
    if (shown === view) fill(list.node, h("div", { class: "empty" }, h("p", null, "This thread could not be read.")));
  }
}

export function hideThread() {
  if (!shown) return;
  shown = null;
  const pane = place();
  pane.hidden = true;
  fill(pane);
  document.getElementById("app")?.classList.remove("with-thread");
  if (opener?.isConnected) /** @type {HTMLElement} */ (opener).focus({ preventScroll: true });
  opener = null;
}

/** Follow what happens. @param {() => void} close */
export function startThread(close) {
  on("thread", ({ channel, ts }) => {
    if (shown?.channel === channel && shown.ts === ts) shown.update();
  });
  on("state", () => {
    if (shown) {
      opener = null;
      hideThread();
    }
  });
  place().addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) {
      event.preventDefault();
      close();
    }
  });
}
