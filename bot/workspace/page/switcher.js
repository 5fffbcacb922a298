/** Ctrl or Cmd + K: type a few letters and go there. */
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { plainWords } from "./mrkdwn.js";
import { avatar, humans, kindOfPerson, nameOf } from "./people.js";
import { closePopover } from "./popover.js";
import { writeTo } from "./profile.js";
import { go, goApp } from "./route.js";
import { store } from "./state.js";

/** @returns {{label: string, detail: string, picture: () => any, weight: number, open: () => void}[]} */
function places() {
  const channels = [...store.channels.values()]
    .filter((channel) => channel.kind !== "im")
    .map((channel) => ({
      label: channel.name,
      detail: channel.is_member ? plainWords(channel.topic ?? "") : "not joined",
      picture: () => icon(channel.kind === "private" ? "lock" : "hash"),
      weight: channel.unread ? 0 : 1,
      open: () => go(channel.id),
    }));
  const apps = store.apps.map((app) => ({
    label: app.name,
    detail: "App",
    picture: () => avatar(app.bot_user_id, { size: "tiny", bot: true }),
    weight: 2,
    open: () => goApp(app.id, app.has_home ? "home" : "messages"),
  }));
  const people = humans().map((each) => ({
    label: nameOf(each.id),
    detail: [each.title, kindOfPerson(each)].filter(Boolean).join(", "),
    picture: () => avatar(each.id, { size: "tiny" }),
    weight: 3,
    open: () => {
      writeTo(each.id);
    },
  }));
  return [...channels, ...apps, ...people];
}

export function openSwitcher() {
  if (document.querySelector("dialog.switcher")) return;
  closePopover(false);
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const list = h("div", { class: "options", role: "listbox", id: "switcher-list", "aria-label": "Places" });
  const search = h("input", {
    class: "switcher-search",
    type: "text",
    role: "combobox",
    placeholder: "Where would you like to go?",
    "aria-label": "Go to",
    "aria-controls": "switcher-list",
    "aria-expanded": "true",
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
  });
  const dialog = h(
    "dialog",
    { class: "dialog switcher", "aria-label": "Go to a channel or person" },
    h("div", { class: "switcher-head" }, icon("search"), search),
    list,
  );
  const all = places();
  /** @type {ReturnType<typeof places>} */
  let found = [];
  let active = 0;
  const close = (restore = true) => {
    dialog.close();
    dialog.remove();
    if (restore) before?.focus?.();
  };
  const paint = () => {
    fill(
      list,
      found.length
        ? found.map((one, at) =>
            h(
              "div",
              {
                class: `option${at === active ? " active" : ""}`,
                role: "option",
                id: `switcher-${at}`,
                "aria-selected": String(at === active),
                on: {
                  click: () => {
                    close(false);
                    one.open();
                  },
                },
              },
              one.picture(),
              h("span", { class: "option-words" }, h("span", null, one.label), h("span", { class: "option-detail" }, one.detail)),
            ),
          )
        : h("p", { class: "options-empty" }, "Nothing by that name"),
    );
    search.setAttribute("aria-activedescendant", found.length ? `switcher-${active}` : "");
    list.children[active]?.scrollIntoView({ block: "nearest" });
  };
  const look = () => {
    const wanted = search.value.trim().toLowerCase().replace(/^[#@]/, "");
    const rank = (/** @type {string} */ label) => (label.toLowerCase().startsWith(wanted) ? 0 : 1);
    found = all
      .filter((one) => one.label.toLowerCase().includes(wanted))
      .sort((a, b) => rank(a.label) - rank(b.label) || a.weight - b.weight || a.label.localeCompare(b.label))
      .slice(0, 40);
    active = 0;
    paint();
  };
  search.addEventListener("input", look);
  search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (found.length) active = (active + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length;
      paint();
    }
    if (event.key === "Enter" && found[active]) {
      event.preventDefault();
      close(false);
      found[active].open();
    }
  });
  dialog.addEventListener("cancel", (/** @type {Event} */ event) => {
    event.preventDefault();
    close();
  });
  dialog.addEventListener("click", (/** @type {Event} */ event) => {
    if (event.target === dialog) close();
  });
  document.body.append(dialog);
  dialog.showModal();
  look();
  search.focus();
}
