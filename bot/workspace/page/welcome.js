/** The card a stranger sees first. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { mrkdwn } from "./mrkdwn.js";
import { on, store } from "./state.js";

const KEY = "workspace.welcomed";

/** What to do first, from what is there: the channel that calls loudest, and the first command. */
function suggestion() {
  const loud = [...store.channels.values()]
    .filter((channel) => channel.kind !== "im" && channel.is_member)
    .sort(
      (a, b) =>
        (b.mention_count ?? 0) - (a.mention_count ?? 0) ||
        (b.unread ?? 0) - (a.unread ?? 0) ||
        String(b.last_ts ?? "").localeCompare(String(a.last_ts ?? "")),
    )[0];
  const command = store.apps[0]?.commands?.[0];
  const first = /^\W*([a-z]+)/i.exec(command?.usage_hint ?? "")?.[1];
  const steps = [
    loud ? `open <#${loud.id}> and press a button there` : "",
    command ? `type \`${command.command}${first ? ` ${first}` : ""}\`` : "",
    "look as somebody else with the picture at the top right",
  ].filter(Boolean);
  return `Try: ${steps.join("; ")}.`;
}

/** Kept, so that the words stay as they are while channels are being read. */
let advice = "";
let advisedTo = "";

/** @returns {HTMLElement | null} */
export function welcomeCard() {
  if (!store.demo || localStorage.getItem(KEY) === "yes") return null;
  const advised = /\btry\b/i.test(store.demo.note ?? "");
  if (!advised && advisedTo !== store.me) {
    advice = suggestion();
    advisedTo = store.me;
  }
  const card = h(
    "section",
    { class: "welcome", "aria-label": "Welcome" },
    h(
      "div",
      { class: "welcome-words" },
      h("h2", null, store.demo.title ?? "This is a local workspace with a demo fleet"),
      h(
        "div",
        { class: "words" },
        mrkdwn(
          [store.demo.note ?? "Nothing leaves this machine.", advised ? "" : advice].filter(Boolean).join("\n"),
        ),
      ),
    ),
    h(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": "Dismiss the welcome",
        on: {
          click: () => {
            localStorage.setItem(KEY, "yes");
            card.remove();
          },
        },
      },
      icon("close"),
    ),
  );
  return card;
}

/** The words change while the demo settles in. */
on("demo", (/** @type {any} */ event) => {
  store.demo = event.demo;
  const card = welcomeCard();
  if (card) document.querySelector("section.welcome")?.replaceWith(card);
});
