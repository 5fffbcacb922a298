/** The bar above everything: menu on small screens, search, theme, and as whom one looks. */
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { avatar, humans, kindOfPerson, nameOf } from "./people.js";
import { openMenu } from "./popover.js";
import { person, store } from "./state.js";
import { openSwitcher } from "./switcher.js";
import { themeButton } from "./theme.js";

/** @param {HTMLElement} anchor @param {(id: string) => void} become */
function choosePerson(anchor, become) {
  const items = humans()
    .sort((a, b) => nameOf(a.id).localeCompare(nameOf(b.id)))
    .map((each) => ({
      label: nameOf(each.id),
      detail: [each.title, kindOfPerson(each), each.tz_label ?? each.tz].filter(Boolean).join(" · "),
      checked: each.id === store.me,
      run: () => {
        if (each.id !== store.me) become(each.id);
      },
    }));
  openMenu(anchor, [{ label: "View the workspace as", heading: true }, ...items], { label: "View as", alignEnd: true });
}

/** @param {{become: (id: string) => void, toggleSidebar: () => void}} actions */
export function topBar(actions) {
  const place = /** @type {HTMLElement} */ (document.getElementById("top"));
  const theme = themeButton();
  const menu = h(
    "button",
    {
      type: "button",
      class: "icon-button top-tool menu-button",
      "aria-label": "Channels",
      "aria-controls": "sidebar",
      "aria-expanded": "false",
      on: { click: actions.toggleSidebar },
    },
    icon("menu"),
  );
  const paint = () => {
    const mac = navigator.platform.startsWith("Mac");
    const me = person(store.me);
    fill(
      place,
      menu,
      h(
        "button",
        { type: "button", class: "search", on: { click: openSwitcher } },
        icon("search"),
        h("span", { class: "search-words" }, `Go to a channel or person in ${store.team.name}`),
        h("kbd", { "aria-hidden": "true" }, mac ? "⌘K" : "Ctrl K"),
      ),
      h(
        "div",
        { class: "top-end" },
        theme,
        h(
          "button",
          {
            type: "button",
            class: "view-as",
            id: "view-as",
            "aria-haspopup": "menu",
            "aria-expanded": "false",
            "aria-label": `View as: ${nameOf(store.me)}${me?.title ? `, ${me.title}` : ""}`,
            on: { click: (/** @type {any} */ event) => choosePerson(event.currentTarget, actions.become) },
          },
          avatar(store.me, { size: "small" }),
          h(
            "span",
            { class: "view-as-words" },
            h("span", { class: "view-as-name" }, nameOf(store.me)),
            h("span", { class: "view-as-title" }, me?.title || "View as…"),
          ),
          icon("down"),
        ),
      ),
    );
  };
  return { paint, menu };
}
