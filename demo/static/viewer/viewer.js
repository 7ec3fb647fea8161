"use strict";
// A small record viewer over the EPR's own FHIR: what cannot be asked for is said, never left blank.
const FHIR = new URL("../fhir", document.baseURI).href;
const byId = (id) => document.getElementById(id);
const element = (name, text, attributes = {}) => Object.assign(document.createElement(name), { textContent: text ?? "" }, attributes);

async function ask(url) {
  const answer = await fetch(url, { headers: { accept: "application/fhir+json" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

async function all(url) {
  const found = [];
  for (let pages = 0; url && pages < 20; pages += 1) {
    const bundle = await ask(url);
    for (const entry of bundle.entry ?? []) found.push(entry.resource);
    url = (bundle.link ?? []).find((link) => link.relation === "next")?.url;
  }
  return found;
}

const nameOf = (p) => `${(p.name?.[0]?.family ?? "?").toUpperCase()}, ${(p.name?.[0]?.given ?? []).join(" ")}`;
const nhsOf = (p) => (p.identifier ?? []).find((i) => i.system === "https://fhir.nhs.uk/Id/nhs-number")?.value ?? "";
const spaced = (n) => n.replace(/^(\d{3})(\d{3})(\d{4})$/, "$1 $2 $3");
const dated = (d) => (d ? new Date(`${d}T12:00`).toLocaleDateString("en-GB", { day: "2-digit", month: "short", year: "numeric" }).replace(/ /g, "-") : "not known");

async function find(who) {
  byId("banner").hidden = true;
  byId("answer").replaceChildren();
  byId("state").textContent = "Looking…";
  const digits = who.replace(/\s/g, "");
  const query = /^\d{10}$/.test(digits) ? `identifier=${encodeURIComponent(`https://fhir.nhs.uk/Id/nhs-number|${digits}`)}` : who ? `name=${encodeURIComponent(who)}` : "";
  try {
    const people = await all(`${FHIR}/Patient?${query}`);
    byId("state").textContent = people.length === 1 ? "1 patient" : `${people.length} patients`;
    const list = element("ul", "", { className: "people" });
    for (const person of people) {
      const button = element("button", "", { type: "button" });
      button.append(element("b", nameOf(person)), ` · born ${dated(person.birthDate)} · ${spaced(nhsOf(person)) || person.id}`);
      button.addEventListener("click", () => open(person.id));
      const item = element("li");
      item.append(button);
      list.append(item);
    }
    byId("answer").replaceChildren(list);
  } catch (error) {
    byId("state").textContent = `The patients could not be asked for (${error.message}). This is not an empty list.`;
  }
}

const parts = [
  ["Allergies", "AllergyIntolerance", (r) => `${r.code?.text ?? r.code?.coding?.[0]?.display ?? "?"}${r.reaction?.[0]?.manifestation?.[0]?.text ? ` (${r.reaction[0].manifestation[0].text})` : ""}`, "No allergy is recorded here"],
  ["Medicines", "MedicationRequest", (r) => r.medicationCodeableConcept?.text ?? r.medicationCodeableConcept?.coding?.[0]?.display ?? "?", "No medicine is recorded here"],
  ["Problems", "Condition", (r) => r.code?.text ?? r.code?.coding?.[0]?.display ?? "?", "No problem is recorded here"],
  ["Observations", "Observation", (r) => `${r.code?.text ?? r.code?.coding?.[0]?.display ?? "?"}: ${r.valueQuantity ? `${Math.round(r.valueQuantity.value * 10) / 10} ${({ Cel: "°C", "mm[Hg]": "mmHg" })[r.valueQuantity.unit] ?? r.valueQuantity.unit ?? ""}` : "see record"} (${dated((r.effectiveDateTime ?? "").slice(0, 10))} ${(r.effectiveDateTime ?? "").slice(11, 16)})`, "No observation is recorded here"],
];

async function open(id) {
  byId("state").textContent = "Opening…";
  const answer = byId("answer");
  answer.replaceChildren();
  let person;
  try {
    person = await ask(`${FHIR}/Patient/${id}`);
  } catch (error) {
    byId("state").textContent = `This record could not be opened (${error.message}).`;
    return;
  }
  const banner = byId("banner");
  banner.replaceChildren(element("strong", nameOf(person)), element("span", `Born ${dated(person.birthDate)}`), element("span", `Gender ${person.gender ?? "not known"}`), element("span", `NHS No. ${spaced(nhsOf(person)) || "not known"}`));
  banner.hidden = false;
  byId("state").textContent = "";
  const grid = element("div", "", { className: "parts" });
  answer.append(grid);
  for (const [title, type, said, none] of parts) {
    const section = element("section");
    section.append(element("h2", title));
    grid.append(section);
    try {
      const found = await all(`${FHIR}/${type}?patient=Patient/${id}&_count=50${type === "Observation" ? "&_sort=-date" : ""}`);
      if (!found.length) section.append(element("p", none));
      else {
        const list = element("ul");
        for (const resource of found.slice(0, 12)) list.append(element("li", said(resource)));
        section.append(list);
        if (found.length > 12) section.append(element("p", `and ${found.length - 12} more`));
      }
    } catch (error) {
      section.className = "failed";
      section.append(element("p", `Could not be asked for (${error.message}). This does not mean that there are none.`));
    }
  }
}

byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  find(byId("who").value.trim());
});
find("");
