// What the pages gain from a script: lists that refresh in place, and a countdown that moves.
// Everything works without it; `html[data-js]` says that it runs.
import "htmx.org";

import { follow } from "./countdown.ts";

document.documentElement.dataset["js"] = "";
for (const element of document.querySelectorAll<HTMLElement>("[data-countdown]")) {
  follow(element);
}
