/** A line through points, with round corners, as an SVG path. */
export interface Point {
    x: number;
    y: number;
}

export function roundedPath(points: readonly Point[], radius = 8): string {
    const [first, ...rest] = points;
    if (!first || rest.length === 0) return '';
    let path = `M${one(first)}`;
    for (let i = 0; i < rest.length - 1; i++) {
        const from = points[i]!;
        const corner = rest[i]!;
        const to = rest[i + 1]!;
        const before = towards(corner, from, radius);
        const after = towards(corner, to, radius);
        path += `L${one(before)}Q${one(corner)} ${one(after)}`;
    }
    return `${path}L${one(rest.at(-1)!)}`;
}

/** From a corner so far towards a neighbour, but never beyond the middle between them. */
function towards(corner: Point, to: Point, radius: number): Point {
    const length = Math.hypot(to.x - corner.x, to.y - corner.y);
    if (length === 0) return corner;
    const share = Math.min(radius, length / 2) / length;
    return { x: corner.x + (to.x - corner.x) * share, y: corner.y + (to.y - corner.y) * share };
}

function one({ x, y }: Point): string {
    return `${Math.round(x * 10) / 10},${Math.round(y * 10) / 10}`;
}
