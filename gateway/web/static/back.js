"use strict";
// A page that Back brings out of the browser's memory is asked for anew; until then it shows nothing.
addEventListener("pagehide", () => { document.documentElement.hidden = true; });
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
