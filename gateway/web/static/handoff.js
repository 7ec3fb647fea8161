"use strict";
// Waits for the answer to the code, a minute and the time of a proof; then the page's own link is still there.
{
  const place = document.querySelector("[data-handoff]"), until = Date.now() + 240000;
  const look = async () => {
    try {
      const answer = await fetch(place.dataset.handoff, { cache: "no-store" });
      if (answer.ok && (await answer.json()).answered) { location.replace(place.dataset.next); return; }
    } catch { /* the network is away for a moment */ }
    if (Date.now() < until) setTimeout(look, 2000);
  };
  if (place) {
    setTimeout(look, 2000);
    setTimeout(() => { place.querySelector("[data-waiting]").textContent = "If you have not typed the code yet, get a new one."; }, 60000);
  }
}
