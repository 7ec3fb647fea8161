"use strict";
// What was held while a cookie was renewed goes on.
for (const form of document.querySelectorAll("form[data-at-once]")) form.submit();
