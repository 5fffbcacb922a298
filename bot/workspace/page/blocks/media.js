/** Pictures and files. */
import { session } from "../api.js";
import { h } from "../dom.js";
import { icon } from "../icons.js";
import { store } from "../state.js";

/**
 * A picture of this server; others are shown as a link, because the page loads nothing from elsewhere.
 * @param {any} spec @param {string} className
 */
export function image(spec, className) {
  const alt = spec.alt_text ?? "Image";
  const source = spec.slack_file?.id ? fileUrl(spec.slack_file.id) : localUrl(spec.image_url ?? spec.slack_file?.url ?? "");
  if (!source) return remote(spec.image_url ?? "", alt, className);
  const picture = h("img", { class: className, src: source, alt, title: alt, loading: "lazy", decoding: "async" });
  picture.addEventListener("error", () => picture.replaceWith(remote("", alt, className)), { once: true });
  return picture;
}

/** @param {string} url @param {string} alt @param {string} className */
function remote(url, alt, className) {
  const inside = [icon("file"), h("span", null, alt)];
  if (/^https?:/i.test(url))
    return h(
      "a",
      { class: `image-away ${className}`, href: url, target: "_blank", rel: "noopener noreferrer", title: "Opens in a new tab" },
      inside,
    );
  return h("span", { class: `image-away ${className}`, role: "img", "aria-label": alt }, inside);
}

/** @param {string} url @returns {string | null} */
function localUrl(url) {
  if (/^data:image\/(png|jpeg|gif|webp);/i.test(url)) return url;
  try {
    const target = new URL(url, location.origin);
    return target.origin === location.origin && url ? `${target.pathname}${target.search}` : null;
  } catch {
    return null;
  }
}

/** @param {string} id */
export const fileUrl = (id) => `/ui/file/${encodeURIComponent(id)}?as=${encodeURIComponent(session.me || store.me)}`;

/** @param {number} bytes */
const size = (bytes) => (bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** A shared file: a picture where it is one, else a row to download. @param {any} file */
export function fileRow(file) {
  const name = file.title || file.name || "File";
  const row = h(
    "a",
    { class: "file", href: fileUrl(file.id), download: file.name ?? "file" },
    icon("file"),
    h(
      "span",
      { class: "file-words" },
      h("span", { class: "file-name" }, name),
      h(
        "span",
        { class: "file-detail" },
        [file.pretty_type ?? file.filetype?.toUpperCase() ?? file.mimetype, file.size ? size(file.size) : null].filter(Boolean).join(" · "),
      ),
    ),
  );
  if (!/^image\/(png|jpeg|gif|webp)$/.test(file.mimetype ?? "")) return row;
  return h(
    "figure",
    { class: "file-figure" },
    h("figcaption", null, row),
    h("img", { class: "image-block", src: fileUrl(file.id), alt: file.alt_txt ?? name, loading: "lazy" }),
  );
}
