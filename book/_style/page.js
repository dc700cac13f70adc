// From the file system a page cannot fetch another for the extract beside a search
// result; the search works without it.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// An inline formula wider than its column scrolls in its own box.
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  for (const formula of document.querySelectorAll("mjx-container:not([display])")) {
    const column = formula.closest("p, li, dd, td, figcaption, div");
    if (formula.offsetWidth > column.clientWidth) formula.classList.add("wide");
  }
});
