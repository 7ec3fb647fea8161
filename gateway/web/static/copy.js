"use strict";
// The number without its spaces: old programs take them for digits that are missing.
const number = document.getElementById("number"), copy = document.getElementById("copy"), copied = document.getElementById("copied");
if (navigator.clipboard) {
  copy.parentElement.hidden = false;
  copy.onclick = () => navigator.clipboard.writeText(number.dataset.digits).then(
    () => { copied.textContent = "Copied."; }, () => { copied.textContent = "This device does not let us copy: type it."; });
}
