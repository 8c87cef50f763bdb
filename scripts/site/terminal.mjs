import { escapeHtml } from './markdown.mjs';

// Pixels of a cell and of the frame; seconds between lines and after a command.
const CELL = 7.9;
const LINE = 18;
const PADDING = 18;
const BAR = 34;
const PER_LINE = 0.06;
const PER_COMMAND = 1.2;

const STYLE = `text{font:13px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#d5dde6;white-space:pre}
.command{fill:#ffffff;font-weight:700}.note{fill:#8b98a9}.typed{fill:#7ee0a1;font-weight:700}
g{animation:show .2s both}@keyframes show{from{opacity:0}}
@media (prefers-reduced-motion:reduce){g{animation:none}}`;

/** A terminal with these lines `{ kind, text }`, which appear one after the other; without animation all of them show. @returns SVG */
export function draw(lines, columns) {
  const width = Math.ceil(columns * CELL + 2 * PADDING);
  const height = BAR + lines.length * LINE + PADDING;
  // The first command is there at once.
  let time = -PER_COMMAND;
  const rows = lines.map(({ kind, text }, index) => {
    if (kind === 'command' || kind === 'typed') time += PER_COMMAND;
    time += PER_LINE;
    const y = BAR + (index + 1) * LINE;
    return `<g style="animation-delay:${time.toFixed(2)}s"><text class="${kind}" x="${PADDING}" y="${y}" xml:space="preserve">${escapeHtml(text)}</text></g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>A recorded terminal session of proxmox-mcp</title>
<style>${STYLE}</style>
<rect width="100%" height="100%" rx="10" fill="#151b23"/>
<circle cx="22" cy="18" r="6" fill="#ff5f57"/><circle cx="42" cy="18" r="6" fill="#febc2e"/><circle cx="62" cy="18" r="6" fill="#28c840"/>
${rows.filter((row) => !row.includes('></text>')).join('\n')}
</svg>
`;
}
