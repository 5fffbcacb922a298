/** Where the person is: kept in the address, so that Back and reload work. */

/** @typedef {{channel: string | null, thread: string | null, app: string | null, tab: "home" | "messages"}} Route */

/** @returns {Route} */
export function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (parts[0] === "app") return { channel: null, thread: null, app: parts[1] ?? null, tab: parts[2] === "messages" ? "messages" : "home" };
  return { channel: parts[0] || null, thread: parts[1] || null, app: null, tab: "home" };
}

/** @param {string} path */
function set(path) {
  if (location.hash !== path) location.hash = path;
}

/** @param {string} channel */
export const go = (channel) => set(`#/${encodeURIComponent(channel)}`);

/** Open a thread beside the conversation, wherever that is shown. @param {string} channel @param {string} ts */
export const goThread = (channel, ts) => set(`#/${encodeURIComponent(channel)}/${encodeURIComponent(ts)}`);

/** @param {string} app @param {"home" | "messages"} tab */
export const goApp = (app, tab) => set(`#/app/${encodeURIComponent(app)}/${tab}`);
