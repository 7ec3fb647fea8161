"use strict";
// A device's key: made in this browser, kept in it, never shown to anybody. What is signed stands in sso/device.py.
(() => {
  const PATIENCE = 3000; // ms: nobody waits longer for a device's proof before signing on
  const CURVE = { name: "ECDSA", namedCurve: "P-256" };

  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const shelf = async (mode) => {
    const open = indexedDB.open("lanyard", 1);
    open.onupgradeneeded = () => open.result.createObjectStore("device");
    return (await done(open)).transaction("device", mode).objectStore("device");
  };
  const kept = async () => done((await shelf("readonly")).get("this"));
  const keep = async (device) => done((await shelf("readwrite")).put(device, "this"));
  const forget = async () => done((await shelf("readwrite")).delete("this"));
  const post = (path, value) => fetch(path, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value), signal: AbortSignal.timeout(PATIENCE),
  });
  const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

  // The fields of a proof for this purpose; null where this browser holds no key.
  const proof = async (purpose) => {
    const device = await kept();
    if (!device || !device.id) return null;
    const answer = await post("/device/challenge", { device: device.id, purpose });
    if (!answer.ok) return null;
    const { challenge } = await answer.json();
    const text = ["lanyard-device-proof-1", location.origin, purpose, device.id, challenge].join("\n");
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, device.key, new TextEncoder().encode(text));
    return { device: device.id, challenge, signature: base64url(signature) };
  };

  // A form that says `data-proves` is sent with a proof; without a key, or when anything goes wrong, as it is.
  const proves = (form) => form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.sent) return;
    form.dataset.sent = "yes";
    try {
      const late = new Promise((_, reject) => { setTimeout(() => reject(new Error("late")), PATIENCE); });
      const fields = await Promise.race([proof(form.dataset.proves), late]);
      for (const [name, value] of Object.entries(fields || {})) {
        const input = Object.assign(document.createElement("input"), { type: "hidden", name, value });
        form.append(input);
        form.method = "post";
      }
    } catch { /* an unknown device, as without a script */ }
    form.submit();
  });

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
        await keep({ id: said.device, name: said.name, key: pair.privateKey });
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
  for (const form of document.querySelectorAll("form[data-proves]")) proves(form);
  for (const form of document.querySelectorAll("form[data-enrols]")) enrols(form);
  const named = document.querySelector("[data-device-name]");
  if (named) kept().then((device) => {
    if (device && device.id) { named.textContent = `This device is ${device.name}.`; named.hidden = false; }
  }, () => {});
})();
