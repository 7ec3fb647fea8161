// A device becomes known here: its key is made in this browser, kept in it, and never shown to anybody.
import { forget, keep, kept, post } from "./prove.js";

const CURVE = { name: "ECDSA", namedCurve: "P-256" };

const enrols = (form) => {
  const says = document.querySelector("[data-says]");
  const say = (text) => { says.textContent = text; says.hidden = false; };
  // A key that this browser holds already is replaced by a link only: nobody makes a ward's PC their own.
  const show = (device) => {
    if (form.dataset.enrols === "link" || !device || !device.id) form.hidden = false;
    else say(`This browser is enrolled as ${device.name}.`);
  };
  kept().then(show, () => show(null));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.sent) return;
    form.dataset.sent = "yes";
    try {
      const before = await kept();
      const pair = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
      await keep({ ...before, next: pair.privateKey }); // before the link is used up: can this browser keep a key at all?
      const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
      const answer = await post(form.action, { ...Object.fromEntries(new FormData(form)), key: { kty, crv, x, y } });
      const said = await answer.json();
      if (!answer.ok) {
        await (before ? keep(before) : forget());
        delete form.dataset.sent;
        say(said.title || "This device was not enrolled.");
        return;
      }
      await keep({ id: said.device, name: said.name, shared: said.shared, key: pair.privateKey });
      form.hidden = true;
      for (const onward of document.querySelectorAll("[data-onward]")) onward.hidden = false;
      say(said.pending ? `Enrolled as ${said.name}. It waits to be approved.` : `Enrolled as ${said.name}. It counts from the next sign-on.`);
      if (location.search) history.replaceState(null, "", location.pathname); // the link is used up: not in the history
    } catch {
      say("This browser cannot keep a key, or did not reach the gateway. Everything works all the same, as on a device that is not known. "
        + "Your IT department can enrol this device by a client certificate.");
      delete form.dataset.sent;
    }
  });
};

// One's own device that is removed forgets its key: it is unknown again, not refused.
const forgets = (form) => form.addEventListener("submit", (event) => {
  event.preventDefault();
  forget().catch(() => {}).then(() => form.submit());
});

for (const form of document.querySelectorAll("form[data-forgets]")) forgets(form);
for (const form of document.querySelectorAll("form[data-enrols]")) enrols(form);
const named = document.querySelector("[data-device-name]");
if (named) kept().then((device) => {
  if (device && device.id) { named.textContent = `This device is ${device.name}.`; named.hidden = false; }
}, () => {});
