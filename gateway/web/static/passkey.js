// A form that asks for a passkey: shown only where there can be one. Its action asks under `/options` and takes the answer, with a
// proof of the device where the form says `data-for` what.
import { post, prove } from "./prove.js";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function told(address, value) {
  const answer = await post(address, value);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.title);
  return said;
}

async function ask(form) {
  const options = await told(`${form.action}/options`, {});
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const known of options.excludeCredentials || []) known.id = bytes(known.id);
  const { credentials } = navigator;
  const found = await (options.user ? credentials.create({ publicKey: options }) : credentials.get({ publicKey: options }));
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"])
    if (found.response[name]) response[name] = text(found.response[name]);
  const { id, type, authenticatorAttachment } = found;
  const fields = { next: "/", ...Object.fromEntries(new FormData(form)) };
  const proof = form.dataset.for ? await prove(form.dataset.for) : {};
  location.assign((await told(form.action, { id, rawId: text(found.rawId), type, authenticatorAttachment, response, ...fields, ...proof })).next);
}

const form = document.querySelector("form[data-passkey]");
if (form && window.PublicKeyCredential) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(form).catch((error) => {
      const says = form.querySelector("[role=alert]");
      says.textContent = error.name === "NotAllowedError" ? "No passkey was given. Try again, or use another way." : error.message;
      says.hidden = false;
    });
  });
}
