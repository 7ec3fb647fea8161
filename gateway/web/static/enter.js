// On the way into a system: this browser proves that it is the device of its session. The page leaves no trace in the history.
import { post, prove } from "/.lanyard/static/prove.js";

const waits = document.querySelector("[data-ticket]");
try {
  const answer = await post("/enter", { ticket: waits.dataset.ticket, ...await prove("renew") });
  location.replace((await answer.json()).to);
} catch {
  waits.hidden = true;
  document.querySelector("[data-failed]").hidden = false;
}
