/** The page begins here: loads the workspace, keeps it in step, and shows what the address asks for. */
import { ServerAway, session } from "./api.js";
import { forgetAll } from "./blocks/context.js";
import { forgetDrafts } from "./composer.js";
import { announce, fill, h } from "./dom.js";
import { startModals } from "./modal.js";
import { refreshDates } from "./mrkdwn.js";
import { nameOf } from "./people.js";
import { closePopover } from "./popover.js";
import { openFirst, showApp, showChannel, startPane } from "./pane.js";
import { go, route } from "./route.js";
import { load, on, store } from "./state.js";
import { sidebar } from "./sidebar.js";
import { listen, stop } from "./stream.js";
import { openSwitcher } from "./switcher.js";
import { applyTheme } from "./theme.js";
import { hideThread, showThread, startThread } from "./thread.js";
import { topBar } from "./topbar.js";

const WHO = "workspace.me";
const app = /** @type {HTMLElement} */ (document.getElementById("app"));
const away = /** @type {HTMLElement} */ (document.getElementById("away"));

applyTheme();
const side = sidebar();
const top = topBar({ become, toggleSidebar: () => toggleSidebar() });

/** On small screens the sidebar slides over. @param {boolean} [open] */
function toggleSidebar(open = !app.classList.contains("sidebar-open")) {
  app.classList.toggle("sidebar-open", open);
  top.menu.setAttribute("aria-expanded", String(open));
  if (open) /** @type {HTMLElement | null} */ (document.querySelector("#sidebar .row"))?.focus();
}

function closeThread() {
  const here = route();
  if (here.channel) go(here.channel);
}

function show() {
  closePopover(false);
  toggleSidebar(false);
  const here = route();
  if (here.app) {
    hideThread();
    showApp(here.app, here.tab);
  } else if (here.channel) {
    showChannel(here.channel);
    if (here.thread) showThread(here.channel, here.thread, closeThread);
    else hideThread();
  } else openFirst();
  side.paint();
}

/** @param {string} [words] */
function banner(words) {
  away.hidden = !words;
  fill(away, words ? [h("span", { class: "spinner" }), words] : null);
}

let loading = false;
let again = false;

/** Once it listens, nothing can be missed: so learn who looks, listen, then read. */
async function catchUp() {
  stop();
  await load(session.me || localStorage.getItem(WHO) || "");
  if (!(await listen())) throw new ServerAway("The stream did not open.");
  await load(session.me);
}

/** Begin, or begin anew; tries again until the server is there. */
async function start() {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      await catchUp();
      break;
    } catch (error) {
      if (!(error instanceof ServerAway)) console.error(error);
      banner("The server is away. This page comes back by itself when it answers.");
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  loading = false;
  if (again) {
    again = false;
    await start();
    return;
  }
  localStorage.setItem(WHO, store.me);
  banner();
  top.paint();
  show();
}

/** Look as someone else: everything is read anew. @param {string} id */
function become(id) {
  stop();
  session.me = id;
  localStorage.setItem(WHO, id);
  forgetAll();
  forgetDrafts();
  history.replaceState(null, "", location.pathname);
  start().then(() => {
    document.getElementById("view-as")?.focus();
    announce(`You now look as ${nameOf(id)}.`);
  });
}

setInterval(refreshDates, 30_000);
startModals();
startPane();
startThread(closeThread);
on("channels", () => side.paint());
on("reset", () => start());
on("connection", (/** @type {boolean} */ connected) =>
  banner(connected ? "" : "The server is away. This page comes back by itself when it answers."),
);
on("reconnect", () => start());
addEventListener("hashchange", show);
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openSwitcher();
  } else if (event.key === "Escape" && !event.defaultPrevented && app.classList.contains("sidebar-open")) toggleSidebar(false);
});
app.addEventListener("click", (event) => {
  if (app.classList.contains("sidebar-open") && !(/** @type {Element} */ (event.target).closest("#sidebar, #top"))) toggleSidebar(false);
});
start();
