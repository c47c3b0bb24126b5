// What makes the page nicer to use. Everything that it does can be done without it.
"use strict";
document.documentElement.classList.add("js");

// Copying: `navigator.clipboard` is there only where the connection is secure.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = button.textContent;
  button.textContent = "✓";
  setTimeout(() => (button.textContent = before), 1200);
});

document.addEventListener("submit", (event) => {
  const sure = event.submitter?.dataset.sure;
  if (sure && !confirm(sure)) event.preventDefault();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// Search while typing: the server renders the results, and only the answer to the last question is shown.
const box = document.querySelector("[data-search]");
if (box) {
  const list = document.createElement("div");
  list.className = "results";
  list.hidden = true;
  box.after(list);
  let asked = 0, timer;
  const ask = async () => {
    const term = box.value.trim(), turn = ++asked;
    if (term.length < 2) return void (list.hidden = true);
    const answer = await fetch(`${box.dataset.search}?part=1&q=${encodeURIComponent(term)}`);
    if (!answer.ok || turn !== asked) return;
    list.innerHTML = await answer.text();
    list.hidden = false;
  };
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 120);
  });
  const links = () => [...list.querySelectorAll("a.name")];
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      return box.focus();
    }
    if (list.hidden) return;
    const all = links(), at = all.indexOf(document.activeElement);
    if (event.key === "Escape") {
      list.hidden = true;
      box.focus();
    } else if (event.key === "ArrowDown" && (at >= 0 || event.target === box)) {
      event.preventDefault();
      all[Math.min(at + 1, all.length - 1)]?.focus();
    } else if (event.key === "ArrowUp" && at >= 0) {
      event.preventDefault();
      (all[at - 1] ?? box).focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".find")) list.hidden = true;
  });
}

// Two tags are compared: a third choice lets the first go.
const picks = [];
document.addEventListener("change", (event) => {
  if (!event.target.matches(".pick input")) return;
  if (event.target.checked) picks.push(event.target);
  else picks.splice(picks.indexOf(event.target), 1);
  if (picks.length > 2) picks.shift().checked = false;
});
