/** Suggestions under the caret of a message box: commands, people, emoji. */
import { fill, freshId, h } from "./dom.js";
import { searchEmoji } from "./emoji.js";
import { avatar, kindOfPerson, nameOf } from "./people.js";
import { store } from "./state.js";

/** @typedef {{label: string, detail?: string, picture?: () => any, insert: string}} Suggestion */

/** @param {string} query @returns {Suggestion[]} */
function commands(query) {
  return store.apps
    .flatMap((app) => (app.commands ?? []).map((/** @type {any} */ each) => ({ app, ...each })))
    .filter((each) => each.command.startsWith(query.split(/\s/)[0]))
    .map((each) => ({
      label: `${each.command} ${each.usage_hint ?? ""}`.trim(),
      detail: [each.description, each.app.name].filter(Boolean).join(" · "),
      picture: () => avatar(each.app.bot_user_id, { size: "small", bot: true }),
      insert: `${each.command} `,
    }));
}

/** @param {string} query @returns {Suggestion[]} */
function people(query) {
  const wanted = query.slice(1).toLowerCase();
  return [...store.people.values()]
    .filter(
      (each) =>
        !each.deleted &&
        [each.name, each.display_name, each.real_name].some(
          (name) =>
            (name ?? "")
              .toLowerCase()
              .split(/\s+/)
              .some((part) => part.startsWith(wanted)) || (name ?? "").toLowerCase().startsWith(wanted),
        ),
    )
    .slice(0, 8)
    .map((each) => ({
      label: nameOf(each.id),
      detail: [each.is_bot ? "App" : each.title, kindOfPerson(each)].filter(Boolean).join(", "),
      picture: () => avatar(each.id, { size: "small" }),
      insert: `@${each.name} `,
    }));
}

/** @param {string} query @returns {Suggestion[]} */
const emoji = (query) =>
  searchEmoji(query.slice(1), 6).map((each) => ({
    label: `:${each.names[0]}:`,
    picture: () => h("span", { class: "emoji big", "aria-hidden": "true" }, each.glyph),
    insert: `:${each.names[0]}: `,
  }));

/**
 * @param {HTMLTextAreaElement} box
 * @param {{commands: boolean}} options
 */
export function autocomplete(box, options) {
  const listId = freshId("suggestions");
  const list = h("div", { class: "suggestions", role: "listbox", id: listId, "aria-label": "Suggestions", hidden: true });
  box.setAttribute("aria-controls", listId);
  box.setAttribute("aria-autocomplete", "list");
  /** @type {Suggestion[]} */
  let found = [];
  let active = 0;
  let start = 0;

  const hide = () => {
    found = [];
    list.hidden = true;
    box.removeAttribute("aria-activedescendant");
  };
  const take = (/** @type {Suggestion} */ one) => {
    box.setRangeText(one.insert, start, box.selectionStart, "end");
    hide();
    box.dispatchEvent(new Event("input", { bubbles: true }));
    hide();
    box.focus();
  };
  const paint = () => {
    list.hidden = found.length === 0;
    fill(
      list,
      found.map((one, at) => {
        const row = h(
          "div",
          {
            class: `suggestion${at === active ? " active" : ""}`,
            role: "option",
            id: `${listId}-${at}`,
            "aria-selected": String(at === active),
            on: {
              pointerdown: (/** @type {Event} */ event) => {
                event.preventDefault();
                take(one);
              },
            },
          },
          one.picture?.() ?? null,
          h("span", { class: "suggestion-label" }, one.label),
          one.detail ? h("span", { class: "suggestion-detail" }, one.detail) : null,
        );
        return row;
      }),
    );
    if (found.length) {
      box.setAttribute("aria-activedescendant", `${listId}-${active}`);
      list.children[active]?.scrollIntoView({ block: "nearest" });
    }
  };
  const look = () => {
    const before = box.value.slice(0, box.selectionStart);
    const word = /(?:^|\s)([@:][\p{L}\p{N}_+.-]*)$/u.exec(before)?.[1] ?? "";
    if (options.commands && /^\/\S*$/.test(before)) {
      start = 0;
      found = commands(before);
    } else if (word.startsWith("@")) {
      start = before.length - word.length;
      found = people(word);
    } else if (word.startsWith(":") && word.length > 2) {
      start = before.length - word.length;
      found = emoji(word);
    } else found = [];
    active = 0;
    if (found.length) paint();
    else hide();
  };
  box.addEventListener("input", look);
  box.addEventListener("blur", hide);
  box.addEventListener("keydown", (event) => {
    if (!found.length || event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp")
      active = (active + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length;
    else if (event.key === "Enter" && options.commands && box.value.trim() === found[active].insert.trim()) {
      hide();
      return;
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      event.stopImmediatePropagation();
      take(found[active]);
      return;
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopImmediatePropagation();
      hide();
      return;
    } else return;
    event.preventDefault();
    event.stopImmediatePropagation();
    paint();
  });
  return { list, hide };
}
