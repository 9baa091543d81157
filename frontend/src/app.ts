// What the pages gain from a script: lists that refresh in place, a countdown that moves, passkeys.
// Everything works without it; `html[data-js]` says that it runs.
import "htmx.org";

import { follow } from "./countdown.ts";
import { follow as followDownloads } from "./downloads.ts";
import { offer } from "./passkey.ts";

document.documentElement.dataset["js"] = "";
for (const element of document.querySelectorAll<HTMLElement>("[data-countdown]")) {
  follow(element);
}
for (const section of document.querySelectorAll<HTMLElement>("[data-dossier]")) {
  followDownloads(section);
}
for (const form of document.querySelectorAll<HTMLFormElement>("form[data-passkey]")) {
  offer(form);
}
