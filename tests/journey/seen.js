// What a page looks like to whoever measures it. Loaded by tests into Chromium; gives one object of functions.
({
  controls() {
    const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]")];
    return all.filter((one) => one.checkVisibility()); // what a script shows later is no control yet
  },

  styles() {
    return this.controls().map((one) => this.look(one));
  },

  look(one) {
    const style = getComputedStyle(one);
    return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.backgroundColor].join("|");
  },

  // Which control has the focus, how it looks now, and whether it can be seen.
  focused() {
    const one = document.activeElement, box = one.getBoundingClientRect();
    const inside = box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight;
    return { index: this.controls().indexOf(one), look: this.look(one), inside, contrast: this.contrast(one), says: one.innerText };
  },

  nameless() {
    const named = (one) => (one.labels && [...one.labels].some((label) => label.innerText.trim())) ||
      one.getAttribute("aria-label") || (one.matches("a, button, summary") && one.innerText.trim());
    return this.controls().filter((one) => !named(one)).map((one) => one.outerHTML);
  },

  // Too small for a thumb (WCAG 2.2, 2.5.8), links inside a sentence left out.
  small() {
    const inText = (one) => one.matches("p a, li a") && getComputedStyle(one).display === "inline" && one.parentElement.innerText !== one.innerText;
    return this.controls().filter((one) => {
      const box = one.getBoundingClientRect();
      return !inText(one) && (box.width < 24 || box.height < 24);
    }).map((one) => one.outerHTML);
  },

  colour(text) {
    const parts = text.match(/[\d.]+/g).map(Number);
    return [parts[0], parts[1], parts[2], parts.length > 3 ? parts[3] : 1];
  },

  over(top, below) {
    return [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  },

  light(colour) {
    const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(colour[0]) + 0.7152 * part(colour[1]) + 0.0722 * part(colour[2]);
  },

  behind(one) {
    const layers = [];
    for (let at = one; at; at = at.parentElement) {
      layers.push(this.colour(getComputedStyle(at).backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => this.over(top, below), [255, 255, 255, 1]);
  },

  // The ratio of WCAG 2.2, 1.4.3, of an element's text to what is behind it.
  contrast(one) {
    const below = this.behind(one), text = this.colour(getComputedStyle(one).color);
    for (let at = one; at; at = at.parentElement) text[3] *= Number(getComputedStyle(at).opacity);
    const [a, b] = [this.light(this.over(text, below)), this.light(below)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  },

  faint() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent.trim(), one = walker.currentNode.parentElement;
      if (text && this.contrast(one) < 4.5) found.push(`${this.contrast(one).toFixed(2)}: ${text}`);
    }
    return found;
  },

  texts() {
    return document.body.innerText.length;
  },

  inline() {
    const on = [...document.querySelectorAll("*")].filter((one) => [...one.attributes].some((a) => a.name.startsWith("on")));
    return [...document.querySelectorAll("script:not([src]), style, [style]"), ...on].map((one) => one.outerHTML.slice(0, 200));
  },

  skipped() {
    const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((one) => Number(one.tagName[1]));
    return levels.filter((level, at) => level > (at ? levels[at - 1] : 0) + 1);
  },

  wide() {
    return document.scrollingElement.scrollWidth - innerWidth;
  },

  // The spacing that a reader may choose (WCAG 2.2, 1.4.12).
  space(on) {
    const chosen = { lineHeight: "1.5", letterSpacing: "0.12em", wordSpacing: "0.16em" };
    for (const one of document.querySelectorAll("*")) for (const name in chosen) one.style[name] = on ? chosen[name] : "";
    if (!on) for (const one of document.querySelectorAll("[style]")) one.removeAttribute("style");
  },
})
