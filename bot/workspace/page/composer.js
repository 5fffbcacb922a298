/** The message box. */
import { post } from "./api.js";
import { autocomplete } from "./autocomplete.js";
import { worded } from "./blocks/context.js";
import { toast } from "./dialogs.js";
import { fill, freshId, h } from "./dom.js";
import { openEmojiPicker } from "./emoji.js";
import { icon } from "./icons.js";
import { openMenu } from "./popover.js";
import { store } from "./state.js";

/** What was begun and not sent, by conversation. @type {Map<string, string>} */
const drafts = new Map();

/** For a change of person. */
export const forgetDrafts = () => drafts.clear();

/** @param {{channel: string, thread?: string, placeholder: string, sent?: () => void}} options */
export function composer(options) {
  const key = `${options.channel}/${options.thread ?? ""}`;
  const hintId = freshId("hint");
  const box = h("textarea", {
    class: "composer-box",
    rows: "1",
    placeholder: options.placeholder,
    "aria-label": options.placeholder,
    "aria-describedby": hintId,
    value: drafts.get(key) ?? "",
    spellcheck: "true",
    maxlength: "12000",
  });
  const hint = h("p", { class: "composer-hint", id: hintId });
  const suggestions = autocomplete(box, { commands: !options.thread });
  const send = h(
    "button",
    { type: "button", class: "send", "aria-label": "Send now", title: "Send now", on: { click: () => deliver() } },
    icon("send"),
  );

  const usage = () => {
    const word = /^(\/\S+)(\s|$)/.exec(box.value)?.[1];
    if (word && options.thread) return "Slash commands do not work in threads. Mention the app instead.";
    const command = store.apps.flatMap((app) => app.commands ?? []).find((/** @type {any} */ each) => each.command === word);
    return command
      ? [command.description, command.usage_hint ? `Usage: ${command.command} ${command.usage_hint}` : ""].filter(Boolean).join(". ")
      : "";
  };
  const say = (/** @type {string} */ words, warning = false) => {
    fill(hint, warning ? icon("warning") : null, words);
    hint.classList.toggle("warning", warning);
  };
  const fit = () => {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight, innerHeight * 0.4)}px`;
    send.classList.toggle("ready", box.value.trim() !== "");
    send.disabled = box.value.trim() === "";
  };
  const insert = (/** @type {string} */ text) => {
    box.setRangeText(text, box.selectionStart, box.selectionEnd, "end");
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  };
  const write = (/** @type {string} */ text) => {
    box.value = text;
    if (text) drafts.set(key, text);
    else drafts.delete(key);
    fit();
  };
  /** What was sent leaves in the order it was typed. @type {Promise<void>} */
  let sending = Promise.resolve();
  let flying = 0;
  const deliver = () => {
    const typed = box.value;
    const text = typed.trim();
    if (!text) return;
    if (options.thread && text.startsWith("/")) {
      say(usage(), true);
      return;
    }
    suggestions.hide();
    say("");
    write(""); // at once: whoever types on must not find the old words before the new ones
    flying += 1;
    node.setAttribute("aria-busy", "true");
    sending = sending.then(async () => {
      const answer = await post("post", { channel: options.channel, text, ...(options.thread ? { thread_ts: options.thread } : {}) });
      flying -= 1;
      if (!flying) node.removeAttribute("aria-busy");
      if (answer.ok === false) {
        write([typed, box.value].filter(Boolean).join("\n"));
        say(worded(answer.error), true);
      } else options.sent?.();
    });
  };
  box.addEventListener("input", () => {
    if (box.value) drafts.set(key, box.value);
    else drafts.delete(key);
    fit();
    say(usage(), Boolean(options.thread) && box.value.startsWith("/"));
  });
  box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      deliver();
    }
  });

  const tool = (/** @type {string} */ label, /** @type {string} */ picture, /** @type {(anchor: HTMLElement) => void} */ run) =>
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": label,
        title: label,
        on: { click: (/** @type {any} */ event) => run(event.currentTarget) },
      },
      icon(picture),
    );
  const shortcuts = () =>
    store.apps.flatMap((app) =>
      (app.global_shortcuts ?? []).map((/** @type {any} */ shortcut) => ({
        label: shortcut.name,
        detail: app.name,
        icon: "bolt",
        run: async () => {
          const answer = await post("shortcut", { callback_id: shortcut.callback_id, app_id: app.id });
          if (answer.ok === false) toast(worded(answer.error), "warning");
        },
      })),
    );
  const node = h(
    "div",
    { class: "composer" },
    suggestions.list,
    h(
      "div",
      { class: "composer-frame" },
      box,
      h(
        "div",
        { class: "composer-tools" },
        tool("Emoji", "smile", (anchor) => openEmojiPicker(anchor, (name) => insert(`:${name}: `))),
        tool("Mention someone", "at", () => insert(/(^|\s)$/.test(box.value.slice(0, box.selectionStart)) ? "@" : " @")),
        shortcuts().length ? tool("Shortcuts", "bolt", (anchor) => openMenu(anchor, shortcuts(), { label: "Shortcuts" })) : null,
        h("span", { class: "composer-keys", "aria-hidden": "true" }, h("strong", null, "Shift + Enter"), " to add a new line"),
        send,
      ),
    ),
    hint,
  );
  requestAnimationFrame(fit);
  return { node, focus: () => box.focus() };
}
