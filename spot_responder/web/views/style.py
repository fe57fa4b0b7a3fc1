"""The colours and the layout of the status page and its charts. Used by ``page.py``."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b2733; --soft: #5b6b7a; --line: #d9e0e6; --paper: #fbfcfd; --card: #ffffff;
  --good: #17724a; --notice: #8a5a00; --bad: #b3261e; --bar: #3d6f9e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ef; --soft: #9aa8b5; --line: #2d3945; --paper: #12181e;
  --card: #19212a; --good: #5cc99a; --notice: #e0b154; --bad: #ff8a80; --bar: #6fa3d4; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem; max-width: 58rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.05rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; } h3 { font-size: .95rem;
  margin: 0; font-weight: 600; }
p { margin: .25rem 0; } ul { list-style: none; margin: 0; padding: 0; } code { font-size: .875em; }
.soft { color: var(--soft); font-size: .875rem; }
.headline { font-size: 1.6rem; line-height: 1.25; font-weight: 650; margin: 1.25rem 0 .5rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem;
  margin: .5rem 0; }
.name { font-weight: 650; } .tag { font-size: .8rem; font-weight: 600; margin-left: .5rem; }
.good { color: var(--good); } .notice { color: var(--notice); } .bad { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); gap: .5rem; }
.charts .card { margin: 0; } svg { display: block; margin-top: .5rem; width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 12px; font-weight: 400; } svg .name { fill: var(--soft); font-weight: 400; }
svg rect { fill: var(--bar); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; } dd { margin: 0; }
dt { color: var(--soft); }
"""
