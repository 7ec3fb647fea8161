// A badge reader types faster than anybody, wherever the cursor is, and ends with Enter or Tab: that is a badge, and goes to its form.
import { kept } from "./prove.js";

const FAST = 50; // ms between two keys
const SHORTEST = 4;
const form = document.querySelector("form[data-badge]");
const { badge } = form.elements;
let typed = "", last = 0;

addEventListener("keydown", (event) => {
  if (event.key === "Shift") return;
  const quick = event.timeStamp - last < FAST;
  last = event.timeStamp;
  if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
    typed = quick ? typed + event.key : event.key;
    return;
  }
  const tapped = quick && typed.length >= SHORTEST && (event.key === "Enter" || event.key === "Tab");
  if (tapped) {
    event.preventDefault();
    if (event.target !== badge && "value" in event.target) event.target.value = ""; // a PIN's field, where it does not belong
    badge.value = typed;
    form.requestSubmit();
  }
  typed = "";
}, true);

// On the sign-on page it is offered where this browser holds a key that is not a clinician's own.
if (form.dataset.badge === "keyed") kept().then((device) => { form.hidden = !device || !device.id || device.shared === false; }, () => {});
