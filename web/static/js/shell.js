// What every page has: the theme switch, times in words, and questions before something is lost.

const root = document.documentElement;

function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const toggle = document.querySelector("[data-theme-toggle]");
if (toggle) {
  const label = () => toggle.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
  toggle.hidden = false;
  label();
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // The choice then lasts as long as the page.
    }
    label();
  });
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function age(iso, now = Date.now()) {
  const seconds = (Date.parse(iso) - now) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return Math.abs(seconds) < 10 ? "just now" : relative.format(Math.trunc(seconds / size), unit);
}

export function showAges(within = document) {
  for (const element of within.querySelectorAll("time[data-age]")) {
    element.title ||= new Date(element.dateTime).toLocaleString();
    element.textContent = age(element.dateTime);
  }
}
showAges();
setInterval(showAges, 15_000);

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
