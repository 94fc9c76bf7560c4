// Pictures follow the scheme that the reader has chosen on this page, which need not be the system's.
function follow() {
  const dark = document.body.getAttribute("data-md-color-scheme") === "slate";
  for (const source of document.querySelectorAll("picture > source")) {
    source.media = dark ? "all" : "not all";
  }
}

// Code and tables that scroll can be reached and scrolled with the keyboard.
function reach() {
  for (const box of document.querySelectorAll(".md-typeset pre > code, .md-typeset__table")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
}

document.addEventListener("DOMContentLoaded", () => {
  follow();
  reach();
  new MutationObserver(follow).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  addEventListener("resize", reach);
});
