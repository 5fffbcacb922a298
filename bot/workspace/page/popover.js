/** Panels that float beside a control: menus, lists, pickers. Escape or a press elsewhere closes them. */
import { arrowKeys, h } from "./dom.js";
import { icon } from "./icons.js";

/** @type {{close: (restoreFocus?: boolean) => void, anchor: HTMLElement} | null} */
let open = null;

/** Close whatever floats. @param {boolean} [restoreFocus] */
export function closePopover(restoreFocus = true) {
  open?.close(restoreFocus);
}

/** @param {HTMLElement} panel @param {HTMLElement} anchor @param {boolean} alignEnd */
function place(panel, anchor, alignEnd) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const room = 8;
  const left = alignEnd ? box.right - width : box.left;
  const below = box.bottom + 4;
  const above = box.top - height - 4;
  const top = below + height <= innerHeight - room || above < room ? below : above;
  panel.style.left = `${Math.max(room, Math.min(left, innerWidth - width - room))}px`;
  panel.style.top = `${Math.max(room, Math.min(top, innerHeight - height - room))}px`;
}

/**
 * @param {HTMLElement} anchor
 * @param {HTMLElement} content
 * @param {{label: string, role?: string, focus?: HTMLElement | null, alignEnd?: boolean, width?: "anchor", onClose?: () => void}} options
 */
export function openPopover(anchor, content, options) {
  closePopover(false);
  const home = anchor.closest("dialog") ?? document.body;
  const panel = h("div", { class: "popover", popover: "manual", role: options.role ?? "dialog", "aria-label": options.label }, content);
  if (options.width === "anchor") panel.style.minWidth = `${Math.max(220, anchor.offsetWidth)}px`;
  home.append(panel);
  panel.showPopover();
  place(panel, anchor, options.alignEnd ?? false);
  anchor.setAttribute("aria-expanded", "true");
  const replace = () => place(panel, anchor, options.alignEnd ?? false);
  const sizes = new ResizeObserver(replace);
  sizes.observe(panel);

  /** @param {boolean} [restoreFocus] */
  const close = (restoreFocus = true) => {
    if (open !== handle) return;
    open = null;
    sizes.disconnect();
    panel.remove();
    anchor.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("keydown", escape, true);
    removeEventListener("resize", replace);
    if (restoreFocus && anchor.isConnected) anchor.focus({ preventScroll: true });
    options.onClose?.();
  };
  /** @param {Event} event */
  const outside = (event) => {
    const target = /** @type {Node} */ (event.target);
    if (!panel.contains(target) && !anchor.contains(target)) close(false);
  };
  /** @param {KeyboardEvent} event */
  const escape = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
    if (event.key === "Tab" && options.role === "menu") close();
  };
  const handle = { close, anchor, panel };
  open = handle;
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", escape, true);
  addEventListener("resize", replace);
  if (options.focus !== null) (options.focus ?? panel.querySelector("button, input, [tabindex]"))?.focus({ preventScroll: true });
  return handle;
}

/**
 * @typedef {{label: string, detail?: string, icon?: string, url?: string, danger?: boolean, checked?: boolean, heading?: boolean, run?: () => void}} MenuItem
 * @param {HTMLElement} anchor
 * @param {MenuItem[]} items
 * @param {{label: string, alignEnd?: boolean, onClose?: () => void}} options
 */
export function openMenu(anchor, items, options) {
  const list = h(
    "div",
    { class: "menu" },
    items.map((item) => {
      if (item.heading) return h("p", { class: "menu-heading", role: "presentation" }, item.label);
      const inside = [
        item.icon ? icon(item.icon) : null,
        h(
          "span",
          { class: "menu-words" },
          h("span", { class: "menu-label" }, item.label),
          item.detail ? h("span", { class: "menu-detail" }, item.detail) : null,
        ),
        item.checked ? icon("check") : null,
      ];
      const activate = () => {
        handle.close();
        item.run?.();
      };
      const props = {
        class: `menu-item${item.danger ? " danger" : ""}`,
        role: item.checked === undefined ? "menuitem" : "menuitemradio",
        tabIndex: -1,
        "aria-checked": item.checked === undefined ? null : String(item.checked),
        on: { click: activate },
      };
      return item.url
        ? h("a", { ...props, href: item.url, target: "_blank", rel: "noopener noreferrer" }, inside)
        : h("button", { ...props, type: "button" }, inside);
    }),
  );
  arrowKeys(list, ".menu-item");
  const focus = list.querySelector('[aria-checked="true"]') ?? list.querySelector(".menu-item");
  const handle = openPopover(anchor, list, { ...options, role: "menu", focus });
  let typed = "";
  let typedAt = 0;
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key.length !== 1 || event.key === " ") return;
    typed = event.timeStamp - typedAt < 700 ? typed + event.key.toLowerCase() : event.key.toLowerCase();
    typedAt = event.timeStamp;
    const hit = [...list.querySelectorAll(".menu-item")].find((item) => item.textContent.trim().toLowerCase().startsWith(typed));
    hit?.focus();
  });
  return handle;
}
