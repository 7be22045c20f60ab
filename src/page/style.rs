//! How the page looks.

/// One set of colours for light screens and one for dark ones; the page is as wide as it is of
/// use, and as narrow as the screen.
pub(super) const STYLE: &str = "
:root { --ink: #1f2328; --quiet: #59636e; --line: #d1d9e0; --paper: #ffffff; --card: #f6f8fa;
  --bad: #b3261e; --good: #1a7f37; --start: #cf5b00; --stop: #0969da; --delete: #b3261e;
  --dormant: #8250df; --remind: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --quiet: #9198a1; --line: #3d444d;
  --paper: #0d1117; --card: #151b23; --bad: #ff7b72; --good: #3fb950; --start: #f0883e;
  --stop: #58a6ff; --delete: #ff7b72; --dormant: #bc8cff; --remind: #e3b341; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
header p, footer p { color: var(--quiet); margin: .25rem 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  margin: 1rem 0; padding: 1rem; }
section p { margin: .25rem 0; white-space: pre-line; }
.problem { color: var(--bad); font-weight: 600; }
.fine { color: var(--good); }
.left-out { color: var(--quiet); font-style: italic; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .5rem;
  margin: .75rem 0 0; }
dt { color: var(--quiet); font-size: .8rem; }
dd { margin: 0; }
figure { margin: 0 0 .75rem; }
svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: .5rem 0 0;
  padding: 0; font-size: .9rem; }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem;
  margin-right: .35rem; }
.grid { stroke: var(--line); stroke-width: 1; }
.number, .hour { fill: var(--quiet); font-size: 11px; }
.number { text-anchor: end; }
.start { fill: var(--start); background: var(--start); }
.stop { fill: var(--stop); background: var(--stop); }
.delete { fill: var(--delete); background: var(--delete); }
.dormant { fill: var(--dormant); background: var(--dormant); }
.remind { fill: var(--remind); background: var(--remind); }
.median { fill: var(--stop); background: var(--stop); }
.longest { fill: var(--line); background: var(--line); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; overflow-wrap: normal; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0;
  border-top: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; white-space: nowrap; border-top: 0; }
";
