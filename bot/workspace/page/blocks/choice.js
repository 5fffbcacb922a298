/** The search-and-choose control behind every select, single or multiple. */
import { fill, freshId, h } from "../dom.js";
import { icon } from "../icons.js";
import { openPopover } from "../popover.js";

/**
 * @typedef {{key: string, label: string, detail?: string, picture?: any, group?: string, payload: any}} Choice
 * @param {{
 *   label: string, placeholder: string, multiple: boolean, max?: number, chosen: Choice[],
 *   find: (query: string) => Choice[] | Promise<Choice[]>,
 *   change: (chosen: Choice[]) => void | Promise<boolean>,
 *   invite?: string, id?: string,
 * }} options
 */
export function choiceControl(options) {
  let chosen = options.chosen;
  const words = h("span", { class: "choice-words" });
  const control = h(
    "button",
    {
      type: "button",
      class: `choice${options.multiple ? " multiple" : ""}`,
      id: options.id ?? null,
      "aria-haspopup": "listbox",
      "aria-expanded": "false",
    },
    words,
    icon("down"),
  );
  const paint = () => {
    control.classList.toggle("empty", chosen.length === 0);
    fill(
      words,
      chosen.length === 0
        ? options.placeholder
        : options.multiple
          ? chosen.map((one) => h("span", { class: "token" }, one.label))
          : chosen[0].label,
    );
    control.setAttribute(
      "aria-label",
      `${options.label}: ${chosen.length ? chosen.map((one) => one.label).join(", ") : options.placeholder}`,
    );
  };
  /** @param {Choice[]} next */
  const set = async (next) => {
    const before = chosen;
    chosen = next;
    paint();
    if ((await options.change(next)) === false) {
      chosen = before;
      paint();
    }
  };

  const open = () => {
    const listId = freshId("options");
    const search = h("input", {
      class: "choice-search",
      type: "text",
      role: "combobox",
      placeholder: "Type to filter",
      "aria-label": `Filter: ${options.label}`,
      "aria-expanded": "true",
      "aria-controls": listId,
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
    });
    const list = h("div", {
      class: "options",
      id: listId,
      role: "listbox",
      "aria-label": options.label,
      "aria-multiselectable": options.multiple ? "true" : null,
    });
    const popover = openPopover(control, h("div", { class: "choice-panel" }, search, list), {
      label: options.label,
      focus: search,
      width: "anchor",
    });
    /** @type {Choice[]} */
    let found = [];
    let active = -1;
    let round = 0;
    const isChosen = (/** @type {Choice} */ one) => chosen.some((each) => each.key === one.key);

    const mark = (/** @type {number} */ at) => {
      active = at;
      [...list.querySelectorAll('[role="option"]')].forEach((row, index) => {
        row.classList.toggle("active", index === at);
        if (index !== at) return;
        search.setAttribute("aria-activedescendant", row.id);
        row.scrollIntoView({ block: "nearest" });
      });
      if (at < 0) search.removeAttribute("aria-activedescendant");
    };
    const pick = (/** @type {Choice} */ one) => {
      if (!options.multiple) {
        popover.close();
        set([one]);
        return;
      }
      const next = isChosen(one) ? chosen.filter((each) => each.key !== one.key) : [...chosen, one];
      if (options.max && next.length > options.max) return;
      set(next);
      paintList(active);
      search.focus();
    };
    const paintList = (/** @type {number} */ keep) => {
      let group = "";
      /** @type {any[]} */
      const rows = [];
      found.forEach((one) => {
        if (one.group && one.group !== group) rows.push(h("p", { class: "options-group", role: "presentation" }, one.group));
        group = one.group ?? "";
        rows.push(
          h(
            "div",
            {
              class: "option",
              role: "option",
              id: freshId("option"),
              "aria-selected": String(isChosen(one)),
              on: { click: () => pick(one), pointerdown: (/** @type {Event} */ event) => event.preventDefault() },
            },
            one.picture?.() ?? null,
            h(
              "span",
              { class: "option-words" },
              h("span", null, one.label),
              one.detail ? h("span", { class: "option-detail" }, one.detail) : null,
            ),
            isChosen(one) ? icon("check") : null,
          ),
        );
      });
      fill(list, rows.length ? rows : h("p", { class: "options-empty" }, search.value || !options.invite ? "No results" : options.invite));
      mark(Math.min(keep, found.length - 1));
    };
    const refresh = async () => {
      const mine = (round += 1);
      const result = options.find(search.value.trim());
      if (result instanceof Promise) fill(list, h("p", { class: "options-empty" }, "Loading…"));
      const choices = await result;
      if (mine !== round) return;
      found = choices;
      const selected = found.findIndex(isChosen);
      paintList(search.value ? 0 : Math.max(0, selected));
    };
    search.addEventListener("input", refresh);
    search.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (found.length) mark((active + (event.key === "ArrowDown" ? 1 : -1) + found.length) % found.length);
      } else if (event.key === "Enter") {
        event.preventDefault();
        if (found[active]) pick(found[active]);
      } else if (event.key === "Backspace" && !search.value && options.multiple && chosen.length) {
        set(chosen.slice(0, -1));
        paintList(active);
      } else if (event.key === "Tab") {
        popover.close();
      }
    });
    refresh();
  };
  control.addEventListener("click", () => (control.getAttribute("aria-expanded") === "true" ? null : open()));
  control.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      open();
    }
  });
  paint();
  return control;
}
