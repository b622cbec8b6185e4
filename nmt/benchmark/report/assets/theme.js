// The button between light and dark. Until it is pressed, the page follows the system.

const THEMES = { light: "Light", dark: "Dark" };

function currentTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
}

export function startTheme(button) {
  const other = () => (currentTheme() === "dark" ? "light" : "dark");
  const label = () => {
    button.textContent = THEMES[other()];
    button.setAttribute("aria-label", `Switch to ${other()} colours`);
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = other();
    label();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", label);
  label();
  button.hidden = false;
}
