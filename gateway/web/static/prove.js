// The key of an enrolled device, and the proof that this browser holds it. What is signed stands in sso/device.py.
const PATIENCE = 3000; // ms: nobody waits longer for a device's proof

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
const shelf = async (mode) => {
  const open = indexedDB.open("lanyard", 1);
  open.onupgradeneeded = () => open.result.createObjectStore("device");
  return (await done(open)).transaction("device", mode).objectStore("device");
};
export const kept = async () => done((await shelf("readonly")).get("this"));
export const keep = async (device) => done((await shelf("readwrite")).put(device, "this"));
export const forget = async () => done((await shelf("readwrite")).delete("this"));

export const post = (path, value) => fetch(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value), signal: AbortSignal.timeout(PATIENCE),
});
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const signed = async (purpose) => {
  const device = await kept();
  if (!device || !device.id) return {};
  const answer = await post("/device/challenge", { device: device.id, purpose });
  if (!answer.ok) return {};
  const { challenge } = await answer.json();
  const text = ["lanyard-device-proof-1", location.origin, purpose, device.id, challenge].join("\n");
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, device.key, new TextEncoder().encode(text));
  return { device: device.id, challenge, signature: base64url(signature) };
};

// The fields `device`, `challenge` and `signature` of a proof for this purpose (`ProofFor`), good once and for a minute. None of
// them where this browser holds no key, or anything goes wrong: what is sent without them comes from an unknown device.
export const prove = (purpose) => {
  const late = new Promise((resolve) => { setTimeout(resolve, PATIENCE, {}); });
  return Promise.race([signed(purpose), late]).catch(() => ({}));
};

// A form that says `data-proves` is sent with a proof for what it says, and as the button that was pressed would have sent it.
const proves = (form) => form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.dataset.sent) return;
  form.dataset.sent = "yes";
  const fields = await prove(form.dataset.proves);
  if (fields.device) form.method = "post";
  const { submitter } = event;
  if (submitter && submitter.name) fields[submitter.name] = submitter.value;
  for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  form.submit();
});
for (const form of document.querySelectorAll("form[data-proves]")) proves(form);
