"use strict";
// Only a window that a page has opened closes by itself.
close();
