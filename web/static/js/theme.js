// Before the first paint: the theme somebody chose, and that scripts run. Not a module, for those run too late.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; then the system's scheme holds.
  }
})();
