/** Whether somebody looks at this page: it can be seen, and it has the focus. */

class Attention {
  isThere = $state(look());

  constructor() {
    for (const name of ["focus", "blur"]) window.addEventListener(name, () => (this.isThere = look()));
    document.addEventListener("visibilitychange", () => (this.isThere = look()));
  }
}

function look(): boolean {
  return !document.hidden && document.hasFocus();
}

export const attention = new Attention();
