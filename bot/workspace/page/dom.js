/** Builds DOM nodes from plain values; nothing here ever parses HTML, so hostile text stays text. */

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "tabIndex", "selected", "readOnly", "multiple"]);

/**
 * Make an element. `class` and `on` are special, a few names are set as properties, the rest are attributes.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...Child} children
 * @returns {any}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || (value === false && !PROPERTIES.has(name))) continue;
    if (name === "class") element.className = value;
    else if (name === "on") for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG. @param {string} tag @param {Record<string, any> | null} [props] @param {...Child} children @returns {any} */
export function svg(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

/** @param {Node} parent @param {Child[]} children */
export function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else parent.appendChild(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** Replace everything inside an element. @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** @param {...Child} children */
export function fragment(...children) {
  const result = document.createDocumentFragment();
  append(result, children);
  return result;
}

let counter = 0;

/** An id nobody else on the page has. @param {string} prefix */
export function freshId(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

/** Text for screen readers only. @param {string} text */
export const unseen = (text) => h("span", { class: "unseen" }, text);

/** @param {string} text */
export function announce(text) {
  const place = document.getElementById("announcer");
  if (place) place.textContent = text;
}

/**
 * Arrow keys, Home and End move focus among the items of a container; one of them stays in the Tab order.
 * @param {HTMLElement} container
 * @param {string} selector
 * @param {{horizontal?: boolean}} [options]
 */
export function arrowKeys(container, selector, options = {}) {
  const [back, forth] = options.horizontal ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  container.addEventListener("keydown", (event) => {
    if (![back, forth, "Home", "End"].includes(event.key) || event.altKey || event.ctrlKey || event.metaKey) return;
    const items = /** @type {HTMLElement[]} */ ([...container.querySelectorAll(selector)]).filter((item) => item.offsetParent !== null);
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0 || items.length === 0) return;
    event.preventDefault();
    const to = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1 : at + (event.key === forth ? 1 : -1);
    items[Math.max(0, Math.min(items.length - 1, to))].focus();
  });
}
