// What the theme leaves open: pictures that follow the palette, and what axe (https://www.deque.com/axe) finds.

// Pictures have the scheme that the reader has chosen on this page, which need not be the system's.
function followScheme() {
  const dark = document.body.getAttribute("data-md-color-scheme") === "slate";
  for (const source of document.querySelectorAll("picture > source")) {
    source.media = dark ? "all" : "not all";
  }
}

// What scrolls sideways can be reached and scrolled with the keyboard.
function focusScrolling() {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code")) {
    box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
  }
}

// What a reader hears has a name of its own: the bar of each code block, the notes in it, and the trees of pages.
function nameParts() {
  document.querySelectorAll(".md-annotation__index").forEach((note, index) => note.setAttribute("aria-label", `Note ${index + 1}`));
  document.querySelectorAll(".md-code__nav").forEach((bar, index) => bar.setAttribute("aria-label", `Code ${index + 1}`));
  document.querySelectorAll(".md-nav").forEach((tree, index) => {
    tree.removeAttribute("aria-labelledby");
    tree.setAttribute("aria-label", `Pages ${index + 1}`);
  });
}

// On a narrow window, menu and search are labels of hidden switches, which no key reaches: they become buttons.
// Escape closes the menu.
function openByKey() {
  const menu = document.getElementById("__drawer");
  for (const [control, name] of [["__drawer", "Menu"], ["__search", "Search"]]) {
    const label = document.querySelector(`.md-header__button[for="${control}"]`);
    if (!label) continue;
    const button = Object.assign(document.createElement("button"), { className: label.className, ariaLabel: name });
    button.setAttribute("for", control); // the theme's styles go by it
    button.append(...label.childNodes);
    button.addEventListener("click", () => document.getElementById(control).click());
    label.replaceWith(button);
  }
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu?.checked) menu.click();
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const mend = () => {
    focusScrolling();
    nameParts();
  };
  followScheme();
  openByKey();
  mend();
  new MutationObserver(followScheme).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
  new MutationObserver(mend).observe(document.querySelector("article"), { childList: true, subtree: true });
  addEventListener("resize", focusScrolling);
});
