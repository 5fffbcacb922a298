/** The card that tells who someone is. */
import { post } from "./api.js";
import { timeOf } from "./dates.js";
import { toast } from "./dialogs.js";
import { h } from "./dom.js";
import { avatar, kindOfPerson, nameOf } from "./people.js";
import { openPopover } from "./popover.js";
import { go, goApp } from "./route.js";
import { appOfBot, person, setChannel, store } from "./state.js";

/** Open the direct conversation with someone. @param {string} id */
export async function writeTo(id) {
  const app = appOfBot(id);
  if (app) {
    goApp(app.id, "messages");
    return;
  }
  const known = [...store.channels.values()].find((channel) => channel.kind === "im" && channel.with === id);
  if (known) {
    go(known.id);
    return;
  }
  const answer = await post("open_im", { user: id });
  if (!answer.channel) {
    toast(answer.error ?? "This conversation could not be opened.", "warning");
    return;
  }
  const channel = typeof answer.channel === "string" ? { id: answer.channel } : answer.channel;
  setChannel({ kind: "im", with: id, unread: 0, mention_count: 0, is_member: true, member_ids: [store.me, id], ...channel });
  go(channel.id);
}

/** @param {HTMLElement} anchor @param {string} id */
export function openProfile(anchor, id) {
  const known = person(id);
  const app = appOfBot(id);
  const kind = known ? kindOfPerson(known) : "";
  const local =
    known?.tz && !app
      ? `${timeOf(Date.now() / 1000)} for you, ${new Intl.DateTimeFormat("en-US", { timeZone: known.tz, hour: "numeric", minute: "2-digit" }).format()} for them`
      : null;
  const panel = h(
    "div",
    { class: "profile" },
    avatar(id, { size: "large" }),
    h(
      "div",
      { class: "profile-words" },
      h("p", { class: "profile-name" }, nameOf(id), app ? h("span", { class: "badge" }, "APP") : null),
      known?.title ? h("p", null, known.title) : null,
      kind ? h("p", { class: "profile-detail" }, kind) : null,
      known?.email ? h("p", { class: "profile-detail" }, known.email) : null,
      local ? h("p", { class: "profile-detail" }, local) : null,
    ),
    id === store.me
      ? null
      : h(
          "button",
          {
            type: "button",
            class: "button",
            on: {
              click: () => {
                popover.close(false);
                writeTo(id);
              },
            },
          },
          app ? "Open app" : "Message",
        ),
  );
  const popover = openPopover(anchor, panel, { label: `Profile of ${nameOf(id)}` });
}
