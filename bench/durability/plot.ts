export type Point = { readonly x: number; readonly y: number; readonly low?: number; readonly high?: number };
export type Curve = {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly Point[];
  /** A line through the points, or the points with their intervals. */
  readonly drawn: "line" | "points" | "both";
};
export type Panel = {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Powers of ten at the ends of the axes. */
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly curves: readonly Curve[];
  /** A level to stay below. */
  readonly limit: { readonly y: number; readonly name: string };
};

const width = 560;
const height = 420;
const left = 80;
const top = 50;
const plotWidth = width - left - 20;
const plotHeight = 270;

/** Panels with two logarithmic axes, side by side, as an SVG file. */
export function drawPanels(panels: readonly Panel[]): string {
  const drawn = panels.map(
    (panel, index) => `<g transform="translate(${index * width} 0)">${drawPanel(panel)}</g>`,
  );
  const all = width * panels.length;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${all} ${height}" font-family="sans-serif" font-size="12">
<title>${escaped(panels.map(({ title }) => title).join("; "))}</title>
<rect width="${all}" height="${height}" fill="white"/>
${drawn.join("\n")}
</svg>
`;
}

function drawPanel(panel: Panel): string {
  const at = ({ x, y }: { x: number; y: number }) => ({
    x: left + share(x, panel.x) * plotWidth,
    y: top + plotHeight - share(y, panel.y) * plotHeight,
  });
  const parts = [
    text(left + plotWidth / 2, 28, panel.title, 'text-anchor="middle" font-size="14"'),
    text(left + plotWidth / 2, top + plotHeight + 40, panel.xLabel, 'text-anchor="middle"'),
    `<g transform="translate(22 ${top + plotHeight / 2}) rotate(-90)">${text(0, 0, panel.yLabel, 'text-anchor="middle"')}</g>`,
    `<rect x="${left}" y="${top}" width="${plotWidth}" height="${plotHeight}" fill="none" stroke="#444"/>`,
  ];
  for (let power = panel.x[0]; power <= panel.x[1]; power += 1) {
    const { x } = at({ x: 10 ** power, y: 1 });
    parts.push(
      line(x, top, x, top + plotHeight, "#ddd"),
      text(x, top + plotHeight + 18, `${10 ** power}`, 'text-anchor="middle"'),
    );
  }
  for (let power = panel.y[0]; power <= panel.y[1]; power += 2) {
    const { y } = at({ x: 1, y: 10 ** power });
    parts.push(
      line(left, y, left + plotWidth, y, "#ddd"),
      text(left - 8, y + 4, power === 0 ? "1" : `1e${power}`, 'text-anchor="end"'),
    );
  }
  const { y: limitY } = at({ x: 1, y: panel.limit.y });
  parts.push(
    line(left, limitY, left + plotWidth, limitY, "#c00", 'stroke-dasharray="6 4"'),
    text(left + 6, limitY + 15, panel.limit.name, 'fill="#c00"'),
  );
  for (const [index, curve] of panel.curves.entries()) {
    parts.push(...drawCurve(curve, at));
    const column = left + (index % 2) * (plotWidth / 2);
    const row = top + plotHeight + 62 + Math.floor(index / 2) * 18;
    parts.push(
      `<circle cx="${column + 5}" cy="${row - 4}" r="4" fill="${curve.colour}"/>`,
      text(column + 15, row, curve.name),
    );
  }
  return parts.join("\n");
}

function drawCurve(curve: Curve, at: (point: Point) => { x: number; y: number }): string[] {
  const parts: string[] = [];
  const { colour, drawn, points } = curve;
  if (drawn !== "points") {
    const path = points.map(at).map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`);
    parts.push(`<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`);
  }
  if (drawn === "line") return parts;
  for (const point of points) {
    const { x, y } = at(point);
    if (point.low !== undefined && point.high !== undefined && point.low > 0) {
      parts.push(line(x, at({ ...point, y: point.low }).y, x, at({ ...point, y: point.high }).y, colour));
    }
    parts.push(`<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3" fill="${colour}"/>`);
  }
  return parts;
}

/** Where a value lies on an axis, 0 to 1; what lies outside stands at its end. */
function share(value: number, [from, to]: readonly [number, number]): number {
  return Math.min(1, Math.max(0, (Math.log10(value) - from) / (to - from)));
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, more = ""): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${colour}" ${more}/>`;
}

function text(x: number, y: number, content: string, more = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
