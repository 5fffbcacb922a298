/** A list of messages that follows its source: day dividers, the "New" line, paging back, staying at the newest. */
import { dayNumber, dayTitle } from "./dates.js";
import { append, h } from "./dom.js";
import { icon } from "./icons.js";
import { belongsTo, messageNode } from "./message.js";

/**
 * @param {{channel: string, inThread: boolean, label: string, older?: () => Promise<void>, top?: () => any}} options
 */
export function messageList(options) {
  const list = h("div", {
    class: "messages",
    role: "log",
    "aria-label": options.label,
    "aria-live": "polite",
    "aria-relevant": "additions",
    tabIndex: 0,
  });
  const sentinel = h("div", { class: "older", hidden: true }, h("span", { class: "spinner" }), "Loading earlier messages");
  const intro = h("div", { class: "intro", hidden: true });
  const scroller = h("div", { class: "scroller" }, h("div", { class: "scroll-content" }, sentinel, intro, list));
  const jumpWords = h("span", null, "Jump to latest");
  const jump = h("button", { type: "button", class: "jump", hidden: true, on: { click: () => toEnd() } }, icon("down"), jumpWords);
  const node = h("div", { class: "message-pane" }, scroller, jump);

  /** @type {Map<string, {node: HTMLElement, source: any, flags: string}>} */
  const shown = new Map();
  let newFrom = "";
  let waiting = 0;
  let loading = false;
  let hasMore = false;

  const fromEnd = () => Math.abs(scroller.scrollTop);
  const toEnd = () => {
    scroller.scrollTop = 0;
    waiting = 0;
    paintJump();
  };
  const paintJump = () => {
    jump.hidden = fromEnd() < 240 && waiting === 0;
    jumpWords.textContent = waiting ? `${waiting} new message${waiting === 1 ? "" : "s"}` : "Jump to latest";
  };

  /** @param {any[]} messages */
  const wanted = (messages) => {
    /** @type {{key: string, source: any, flags: string, build: () => HTMLElement}[]} */
    const rows = [];
    let day = NaN;
    let before = null;
    messages.forEach((message, at) => {
      const today = dayNumber(Number(message.ts));
      const isReplyCount = options.inThread && at === 1;
      if (today !== day && !(options.inThread && at > 0 && today === day)) {
        const title = dayTitle(Number(message.ts));
        if (!options.inThread)
          rows.push({
            key: `day/${today}`,
            source: title,
            flags: "",
            build: () => h("div", { class: "day", role: "separator", "aria-label": title }, h("span", null, title)),
          });
        before = null;
      }
      day = today;
      if (isReplyCount) {
        const count = messages.length - 1;
        rows.push({
          key: "replies",
          source: count,
          flags: "",
          build: () =>
            h("div", { class: "reply-rule", role: "separator" }, h("span", null, `${count} ${count === 1 ? "reply" : "replies"}`)),
        });
        before = null;
      }
      if (newFrom && message.ts === newFrom) {
        rows.push({
          key: "new",
          source: "",
          flags: "",
          build: () => h("div", { class: "new-line", role: "separator", "aria-label": "New messages" }, h("span", null, "New")),
        });
        before = null;
      }
      const grouped = belongsTo(before, message);
      rows.push({
        key: `m/${message.ts}`,
        source: message,
        flags: String(grouped),
        build: () => messageNode(options.channel, message, { grouped, inThread: options.inThread, root: options.inThread && at === 0 }),
      });
      before = message;
    });
    return rows;
  };

  /** Put focus back where it was when its message was painted anew. @param {HTMLElement} old @param {HTMLElement} fresh */
  const keepFocus = (old, fresh) => {
    const active = document.activeElement;
    if (!old.contains(active)) return;
    const key = active?.closest("[data-key]")?.getAttribute("data-key");
    const label = active?.getAttribute("aria-label") ?? active?.textContent;
    const frame = key ? fresh.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
    const candidates = /** @type {HTMLElement[]} */ ([...(frame ?? fresh).querySelectorAll("button, a, input, textarea")]);
    return (
      candidates.find((each) => (each.getAttribute("aria-label") ?? each.textContent) === label) ?? candidates.find(() => frame) ?? fresh
    );
  };

  /** @param {any[]} messages @param {{hasMore?: boolean, arrived?: boolean}} [news] */
  const update = (messages, news = {}) => {
    hasMore = news.hasMore ?? false;
    sentinel.hidden = !hasMore;
    intro.hidden = hasMore || !options.top;
    if (!intro.hidden && options.top && !intro.firstChild) append(intro, [options.top()]);
    const atEnd = fromEnd() < 40;
    const top = scroller.getBoundingClientRect().top;
    const anchor = atEnd
      ? null
      : /** @type {HTMLElement | undefined} */ ([...list.children].find((each) => each.getBoundingClientRect().bottom > top));
    const anchorAt = anchor?.getBoundingClientRect().top ?? 0;
    const anchorKey = anchor?.dataset.ts;
    list.setAttribute("aria-busy", String(shown.size === 0));
    const rows = wanted(messages);
    const keys = new Set(rows.map((row) => row.key));
    for (const [key, row] of shown)
      if (!keys.has(key)) {
        row.node.remove();
        shown.delete(key);
      }
    /** @type {HTMLElement | undefined} */
    let refocus;
    let place = list.firstElementChild;
    for (const row of rows) {
      let known = shown.get(row.key);
      if (!known || known.source !== row.source || known.flags !== row.flags) {
        const node = row.build();
        if (known) {
          refocus = keepFocus(known.node, node) ?? refocus;
          if (place === known.node) place = node;
          known.node.replaceWith(node);
        }
        known = { node, source: row.source, flags: row.flags };
        shown.set(row.key, known);
      }
      if (known.node === place) place = place.nextElementSibling;
      else list.insertBefore(known.node, place);
    }
    list.setAttribute("aria-busy", "false");
    refocus?.focus({ preventScroll: true });
    const again = anchorKey ? shown.get(`m/${anchorKey}`)?.node : anchor?.isConnected ? anchor : null;
    if (again) scroller.scrollTop += again.getBoundingClientRect().top - anchorAt;
    if (news.arrived && !atEnd) waiting += 1;
    paintJump();
  };

  const readOlder = async () => {
    if (loading || !hasMore || !options.older) return;
    loading = true;
    try {
      await options.older();
    } finally {
      loading = false;
      watcher.unobserve(sentinel); // observing anew asks again whether the top is still in sight
      watcher.observe(sentinel);
    }
  };
  const watcher = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) readOlder();
    },
    { root: scroller, rootMargin: "600px 0px 0px" },
  );
  if (options.older) watcher.observe(sentinel);
  scroller.addEventListener(
    "scroll",
    () => {
      if (fromEnd() < 40) waiting = 0;
      paintJump();
    },
    { passive: true },
  );

  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (
      !["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key) ||
      (event.target !== list && !(/** @type {Element} */ (event.target).classList.contains("message")))
    )
      return;
    const all = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".message")]);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const to =
      event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : at < 0 ? all.length - 1 : at + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))]?.focus();
  });

  return {
    node,
    update,
    toEnd,
    isAtEnd: () => fromEnd() < 40,
    /** Draw the "New" line above this message. @param {string} ts */
    markNew: (ts) => {
      newFrom = ts;
    },
  };
}
